# Three images, each a target; docs/images.md says how to use them:
#
#   meshtask          the program alone, for COPY --from=meshtask /meshtask
#   meshtask-mesh     with consul and envoy: the mesh container beside app containers
#   example           a service behind meshtask in one container, as your image would be
#   example-sibling   the same service in a container of its own
#
# Other platforms by --platform: the Go compiler builds for them, and no stage that is
# shipped has a RUN, so nothing is emulated and none needs a shell. The bases may come
# from a mirror (--build-arg). Where Envoy is, there must be glibc.
ARG GO_IMAGE=golang:1.26
ARG CONSUL_IMAGE=hashicorp/consul:1.22.6
ARG ENVOY_IMAGE=envoyproxy/envoy:distroless-v1.36.2
ARG BASE_IMAGE=debian:bookworm-slim

FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
ARG TARGETARCH
ARG VERSION=devel
ARG GOPROXY
ENV CGO_ENABLED=0
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN GOOS=linux GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/meshtask ./cmd/meshtask
RUN GOOS=linux GOARCH=$TARGETARCH go build -C e2e -trimpath -o /out/server ./app
# The state directory, and the roots that Secrets Manager's certificate is checked with.
RUN install -d -m 0700 /out/run/meshtask && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/certs/ca-certificates.crt

FROM ${CONSUL_IMAGE} AS consul
FROM ${ENVOY_IMAGE} AS envoy

FROM scratch AS meshtask
COPY --from=build /out/meshtask /meshtask
ENTRYPOINT ["/meshtask"]

FROM envoy AS meshtask-mesh
COPY --from=consul /bin/consul /usr/local/bin/consul
COPY --from=meshtask /meshtask /usr/local/bin/meshtask
COPY --from=build /out/certs /etc/ssl/certs
COPY --from=build --chown=12345:12345 /out/run /run
VOLUME ["/run/meshtask"]
USER 12345:12345
ENTRYPOINT ["meshtask", "run"]
CMD []
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 CMD ["meshtask", "health"]

FROM ${BASE_IMAGE} AS example
COPY --from=consul /bin/consul /usr/local/bin/consul
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
COPY --from=meshtask /meshtask /usr/local/bin/meshtask
COPY --from=build /out/certs /etc/ssl/certs
COPY --from=build --chown=12345:12345 /out/run /run
COPY --from=build /out/server /app/server
VOLUME ["/run/meshtask"]
USER 12345:12345
ENTRYPOINT ["meshtask", "run", "--"]
CMD ["/app/server", "--listen", "127.0.0.1:8080"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 CMD ["meshtask", "health"]

FROM scratch AS example-sibling
COPY --from=meshtask /meshtask /meshtask
COPY --from=build /out/server /server
USER 12345:12345
ENTRYPOINT ["/meshtask", "app", "--"]
CMD ["/server", "--listen", "127.0.0.1:8080"]
