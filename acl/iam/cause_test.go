package iam

import (
	"errors"
	"testing"

	"github.com/hashicorp/consul/api"

	"meshtask/internal/event"
)

func TestCauses(t *testing.T) {
	_, noRole := roleOf("arn:aws:iam::123456789012:user/somebody")
	c := Config{Method: "ecs", Server: "https://consul:8501"}
	for name, got := range map[event.Code]error{
		event.LoginRole:    c.because(event.Login, noRole),
		event.LoginRefused: c.answered(api.StatusError{Code: 403, Body: "no"}),
		event.Login:        c.answered(errors.New("connection refused")),
	} {
		cause := event.CauseOf(got)
		if cause == nil || cause.Code != name || cause.Facts["method"] != "ecs" || cause.Facts["server"] != c.Server || cause.Code.Exit() != 203 {
			t.Errorf("%v is %+v, want %s", got, cause, name)
		}
	}
	if c.answered(nil) != nil {
		t.Error("a good answer is an error")
	}
}
