# Makes the secrets that are missing, a certificate of the server's own, and its configuration.
set -eu
cd "$SHARED"
umask 077
[ -s gossip-key ] || consul keygen >gossip-key
[ -s bootstrap-token ] || cat /proc/sys/kernel/random/uuid >bootstrap-token
if ! [ -s ca-key ] || ! [ -s ca-cert ]; then
	rm -f consul-agent-ca.pem consul-agent-ca-key.pem
	consul tls ca create
	mv consul-agent-ca.pem ca-cert
	mv consul-agent-ca-key.pem ca-key
fi
rm -f "$DATACENTER"-server-consul-*.pem
consul tls cert create -server -ca ca-cert -key ca-key -dc "$DATACENTER" -additional-dnsname "$SERVER_NAME"
mv "$DATACENTER-server-consul-0.pem" server-cert
mv "$DATACENTER-server-consul-0-key.pem" server-key
token=$(cat bootstrap-token)
mkdir -p config
printf '%s' "$SERVER_CONFIG" >config/server.json
printf '{"encrypt": "%s", "acl": {"tokens": {"initial_management": "%s", "agent": "%s"}}}' "$(cat gossip-key)" "$token" "$token" >config/secrets.json
[ -z "${OWNER-}" ] || chown -R "$OWNER" .
