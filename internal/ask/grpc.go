package ask

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"meshtask/internal/event"
)

// checkPath is the unary call of grpc.health.v1, without TLS as within a task.
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md
const checkPath = "/grpc.health.v1.Health/Check"

// maxAnswer bounds an answer: a status is two bytes.
const maxAnswer = 4 << 10

// GRPC asks the server at target, HOST:PORT or HOST:PORT/SERVICE, for the health of the service,
// "" being the whole server. SERVING is a yes.
//
// The protocol is spoken here: one message of one field each way is less than a library that
// every task would load.
func GRPC(target string) Question {
	addr, service, _ := strings.Cut(target, "/")
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &protocols, DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+checkPath, bytes.NewReader(request(service)))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
		resp, err := client.Do(req)
		if err != nil {
			return refused(err, addr)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return refused(err, addr)
		}
		return health(resp, answer, service)
	}
}

// request is a HealthCheckRequest{service: 1} behind the prefix of a gRPC message: not
// compressed, and its length.
func request(service string) []byte {
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2) // field 1, length-delimited
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// health reads the answer: HTTP's status, gRPC's in a trailer, and the HealthCheckResponse.
func health(resp *http.Response, answer []byte, service string) error {
	bad := func(format string, args ...any) error {
		return event.Because(event.AppNotReady, fmt.Errorf(format, args...))
	}
	if resp.StatusCode != http.StatusOK {
		return bad("it is no gRPC server: HTTP status %d", resp.StatusCode)
	}
	status := cmp.Or(resp.Trailer.Get("Grpc-Status"), resp.Header.Get("Grpc-Status")) // a header where there is no body
	switch code, err := strconv.Atoi(status); {
	case err != nil:
		return bad("it is no gRPC server: no grpc-status in its answer")
	case code == 12:
		return bad("the gRPC server does not have grpc.health.v1.Health")
	case code == 5:
		return bad("the gRPC server does not know the service %q", service)
	case code != 0:
		text, _ := url.PathUnescape(cmp.Or(resp.Trailer.Get("Grpc-Message"), resp.Header.Get("Grpc-Message")))
		return bad("gRPC status %d: %.200s", code, text)
	}
	serving, err := servingStatus(answer)
	if err != nil {
		return bad("the gRPC server's answer is no HealthCheckResponse: %v", err)
	}
	if serving != 1 {
		names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
		name := strconv.FormatUint(serving, 10)
		if serving < uint64(len(names)) {
			name = names[serving]
		}
		return bad("the gRPC health of %q is %s", service, name)
	}
	return nil
}

// servingStatus is field 1 of a HealthCheckResponse; 0, UNKNOWN, is not written. Other fields
// are of later versions, and passed over.
func servingStatus(answer []byte) (status uint64, err error) {
	short := errors.New("it is cut short")
	if len(answer) < 5 || uint64(binary.BigEndian.Uint32(answer[1:5])) > uint64(len(answer)-5) {
		return 0, short
	}
	if answer[0] != 0 {
		return 0, errors.New("it is compressed")
	}
	message := answer[5 : 5+binary.BigEndian.Uint32(answer[1:5])]
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 {
			return 0, short
		}
		message = message[n:]
		value, n := binary.Uvarint(message)
		size := uint64(max(n, 0))
		switch key & 7 {
		case 0:
			if key>>3 == 1 {
				status = value
			}
		case 1:
			size = 8
		case 2:
			if value > uint64(len(message)) {
				return 0, short
			}
			size += value
		case 5:
			size = 4
		default:
			return 0, errors.New("it is no protobuf")
		}
		if n <= 0 && key&7 != 1 && key&7 != 5 || size > uint64(len(message)) {
			return 0, short
		}
		message = message[size:]
	}
	return status, nil
}
