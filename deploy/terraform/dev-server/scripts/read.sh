# Takes what an earlier server has left in Secrets Manager into the volume. A secret
# without a value is one that make.sh has to make.
set -eu
cd "$SHARED"
umask 077
mkdir -p stored
for name in ca-key ca-cert gossip-key bootstrap-token; do
	if aws secretsmanager get-secret-value --secret-id "$PREFIX-$name" --query SecretString --output text >"stored/$name" 2>error; then
		cp "stored/$name" "$name"
	elif grep -q ResourceNotFoundException error; then
		rm -f "stored/$name" "$name"
	else
		cat error >&2
		exit 1
	fi
done
