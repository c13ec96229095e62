package main

import "syscall"

// forward passes a user's signal on to the app, now or when it runs.
func (t *task) forward(s syscall.Signal) {
	if t.app != nil {
		t.app.Forward(s)
	}
}
