# Build with: docker build --target meshtask -t meshtask .
# The image holds the program alone, for COPY --from=meshtask /meshtask; Consul and
# Envoy come from their own images (README).
FROM golang:1.26 AS build
ARG VERSION=devel
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /meshtask ./cmd/meshtask

FROM scratch AS meshtask
COPY --from=build /meshtask /meshtask
ENTRYPOINT ["/meshtask"]
