package event

import (
	"encoding/json"
	"fmt"
	"time"
)

// Words are an event as a line of the record has it: its name, its detail, and its data, a
// JSON object, or nil where it has none.
func Words(e Event) (name, detail string, data []byte) {
	name, detail = e.words()
	if text, err := json.Marshal(e); err == nil && string(text) != "{}" {
		data = text
	}
	return name, detail, data
}

// Step is the name of a step such as "joined"; false for an event that is none.
func Step(e Event) (name string, ok bool) {
	kind, detail := e.words()
	return detail, kind == step
}

// Parse is the event of these words, as Words made them. The mark of a Mark is not among
// them; it stands beside the event in the record.
func Parse(name, detail string, data []byte) (Event, error) {
	switch name {
	case "start":
		return Start{}, nil
	case "ready":
		return Ready{}, nil
	case "stop":
		return Stop{Moot: detail == "moot"}, nil
	case "ended":
		return Ended{Err: detail}, nil
	case "killed":
		return read(data, func(e *Killed) { e.Name = detail })
	case "restart":
		return read(data, func(e *Restart) { e.Reason = detail })
	case "waiting":
		return read(data, func(e *Waiting) { e.What = detail })
	case "waited":
		return WaitOver{}, nil
	case "mark":
		return Mark{}, nil
	case "shutdown":
		return Shutdown{Cause: detail}, nil
	case "exit":
		known := Finish{Code: UnknownCode}
		if len(data) > 0 {
			if err := json.Unmarshal(data, &known); err != nil {
				return nil, err
			}
		}
		known.Cause = detail
		return known, nil
	case step:
		return parseStep(detail, data)
	}
	return nil, fmt.Errorf("there is no event %q", name)
}

func parseStep(detail string, data []byte) (Event, error) {
	switch detail {
	case "exec":
		return read[Exec](data, nil)
	case "exit":
		return read[Exit](data, nil)
	case "serving":
		return read[Serving](data, nil)
	case "hung":
		return read[Hung](data, nil)
	case "answers":
		return Answers{}, nil
	case "suspended":
		return read[Suspended](data, nil)
	case "resumed":
		return Resumed{}, nil
	case "oom":
		return read[OutOfMemory](data, nil)
	case "joined":
		return read[Joined](data, nil)
	case "registered":
		return read[Registered](data, nil)
	case "listener":
		return read[Listener](data, nil)
	case "passing":
		return Passing{}, nil
	case "critical":
		return read[Critical](data, nil)
	case "app-healthy":
		return read[AppHealthy](data, nil)
	case "app-unhealthy":
		return read[AppUnhealthy](data, nil)
	case "condition":
		return read[Condition](data, nil)
	case "removed":
		return Removed{}, nil
	case "drained":
		return read[Drained](data, nil)
	case "deregistered":
		return read[Deregistered](data, nil)
	case "left":
		return read[Left](data, nil)
	case "stop-reason":
		return read[StopReason](data, nil)
	case "renewed":
		return read[Renewed](data, nil)
	case "lease":
		return read[Lease](data, nil)
	case "lease-kept":
		return read[LeasesKept](data, nil)
	case "lease-ended":
		return read[LeaseEnded](data, nil)
	case "lease-lost":
		return read[LeaseLost](data, nil)
	case "lease-refused":
		return read[LeaseRefused](data, nil)
	case "lease-forgotten":
		return read[LeaseForgotten](data, nil)
	}
	return nil, fmt.Errorf("there is no step %q", detail)
}

// read decodes data into an event and lets set add what stands outside of it.
func read[E Event](data []byte, set func(*E)) (Event, error) {
	var e E
	if len(data) > 0 {
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, err
		}
	}
	if set != nil {
		set(&e)
	}
	return e, nil
}

// The durations of a record are Go strings.

type restartData struct {
	N      int    `json:"restart"`
	Max    int    `json:"max"`
	After  string `json:"after,omitempty"`
	How    string `json:"how,omitempty"`
	Signal string `json:"signal,omitempty"`
	Said   string `json:"said,omitempty"`
}

// MarshalJSON is the restart's data.
func (e Restart) MarshalJSON() ([]byte, error) {
	return json.Marshal(restartData{e.N, e.Max, e.After.String(), e.How, e.Signal, e.Said})
}

// UnmarshalJSON reads it back; a pause that is none counts as 0.
func (e *Restart) UnmarshalJSON(text []byte) error {
	var d restartData
	err := json.Unmarshal(text, &d)
	e.N, e.Max, e.How, e.Signal, e.Said = d.N, d.Max, d.How, d.Signal, d.Said
	e.After, _ = time.ParseDuration(d.After)
	return err
}

type waitingData struct {
	Code  Code   `json:"code,omitempty"`
	Err   string `json:"error,omitempty"`
	Fix   string `json:"hint,omitempty"`
	Facts Facts  `json:"facts,omitempty"`
	Since string `json:"since,omitempty"`
	Said  int    `json:"said,omitempty"`
}

// MarshalJSON is the wait's data.
func (e Waiting) MarshalJSON() ([]byte, error) {
	return json.Marshal(waitingData{e.Code, e.Err, e.Fix, e.Facts, e.Since.String(), e.Said})
}

// UnmarshalJSON reads it back; a time that is none counts as 0.
func (e *Waiting) UnmarshalJSON(text []byte) error {
	var d waitingData
	err := json.Unmarshal(text, &d)
	e.Code, e.Err, e.Fix, e.Facts, e.Said = d.Code, d.Err, d.Fix, d.Facts, d.Said
	e.Since, _ = time.ParseDuration(d.Since)
	return err
}
