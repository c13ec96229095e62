# Images, each a target; docs/images.md says how to use them:
#
#   meshtask          the program alone, for COPY --from=meshtask /meshtask
#   meshtask-mesh     with consul and envoy: the mesh container beside app containers
#   example           a service behind meshtask in one container, as your image would be
#   example-sibling   the same service in a container of its own
#   example-app-user  as example, but root in front, so that app.user can be another user
#
# Other platforms by --platform: the Go compiler builds for them, and no stage that is
# shipped has a RUN, so nothing is emulated and none needs a shell. Where Envoy is, there
# must be glibc.
#
# The bases: tag and digest, so that two builds have the same; make images-update resolves
# the tags anew, here and in deploy/compose.yaml. They may come from a mirror (--build-arg).
# Consul's digest has not been resolved yet: no registry could be asked when this was written.
# Consul from 1.17 on is under the Business Source License 1.1: docs/images.md.
ARG GO_IMAGE=golang:1.26.8@sha256:0f063af2d465d8dcae54cce04278ada488b96f77b42449c8d071e47d016cc65a
ARG CONSUL_IMAGE=hashicorp/consul:1.22.6
ARG ENVOY_IMAGE=envoyproxy/envoy:distroless-v1.36.2@sha256:322a7ea9c30080873a2f7d41f43d0b7a392455a92fe3d2a3db9a760c839f547f
ARG BASE_IMAGE=debian:bookworm-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251

FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
ARG TARGETARCH
ARG VERSION=devel
ARG GOPROXY
ENV CGO_ENABLED=0
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN GOARCH=$TARGETARCH VERSION=$VERSION tools/build.sh /out/meshtask
RUN GOOS=linux GOARCH=$TARGETARCH go build -C e2e -trimpath -o /out/server ./app
# The state directory, and the roots that Secrets Manager's certificate is checked with.
RUN install -d -m 0700 /out/run/meshtask && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/certs/ca-certificates.crt
RUN install -D -m 0644 -t /out/doc/meshtask LICENSE NOTICE THIRD_PARTY_LICENSES.txt

FROM ${CONSUL_IMAGE} AS consul
FROM ${ENVOY_IMAGE} AS envoy

FROM scratch AS meshtask
COPY --from=build /out/meshtask /meshtask
COPY --from=build /out/doc /usr/share/doc
STOPSIGNAL SIGTERM
ENTRYPOINT ["/meshtask"]

FROM envoy AS meshtask-mesh
COPY --from=consul /bin/consul /usr/local/bin/consul
COPY --from=meshtask /meshtask /usr/local/bin/meshtask
COPY --from=build /out/doc /usr/share/doc
COPY --from=build /out/certs /etc/ssl/certs
COPY --from=build --chown=12345:12345 /out/run /run
VOLUME ["/run/meshtask"]
USER 12345:12345
STOPSIGNAL SIGTERM
ENTRYPOINT ["meshtask", "run"]
CMD []
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 CMD ["meshtask", "health"]

FROM ${BASE_IMAGE} AS parts
COPY --from=consul /bin/consul /usr/local/bin/consul
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
COPY --from=meshtask /meshtask /usr/local/bin/meshtask
COPY --from=build /out/doc /usr/share/doc
COPY --from=build /out/certs /etc/ssl/certs
COPY --from=build /out/server /app/server

FROM parts AS example
COPY --from=build --chown=12345:12345 /out/run /run
VOLUME ["/run/meshtask"]
USER 12345:12345
STOPSIGNAL SIGTERM
ENTRYPOINT ["meshtask", "run", "--"]
CMD ["/app/server", "--listen", "127.0.0.1:8080"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 CMD ["meshtask", "health"]

FROM parts AS example-app-user
COPY --from=build /out/run /run
VOLUME ["/run/meshtask"]
USER 0:0
STOPSIGNAL SIGTERM
ENTRYPOINT ["meshtask", "run", "--"]
CMD ["/app/server", "--listen", "127.0.0.1:8080"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 CMD ["meshtask", "health"]

FROM scratch AS example-sibling
COPY --from=meshtask /meshtask /meshtask
COPY --from=build /out/doc /usr/share/doc
COPY --from=build /out/server /server
USER 12345:12345
STOPSIGNAL SIGTERM
ENTRYPOINT ["/meshtask", "app", "--"]
CMD ["/server", "--listen", "127.0.0.1:8080"]
