# Puts the secrets that make.sh has made into Secrets Manager, the CA's key before its
# certificate: a pair of which one half is there is made anew. The key leaves the volume.
set -eu
cd "$SHARED"
for name in ca-key ca-cert gossip-key bootstrap-token; do
	value=$(cat "$name")
	if ! [ -s "stored/$name" ] || [ "$(cat "stored/$name")" != "$value" ]; then
		aws secretsmanager put-secret-value --secret-id "$PREFIX-$name" --secret-string "$value" >/dev/null
		echo "$PREFIX-$name has its value"
	fi
done
rm -rf ca-key stored
