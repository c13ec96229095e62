package envoy

// Concurrency is the number of worker threads for a machine of so many CPUs:
// whole CPUs of the quota, at least 1. Envoy up to 1.36 would take all CPUs and
// be throttled.
func Concurrency(quota float64, cpus int) int {
	if quota <= 0 || int(quota) > cpus {
		return max(1, cpus)
	}
	return max(1, int(quota))
}
