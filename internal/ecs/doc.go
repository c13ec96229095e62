// Package ecs knows the task metadata endpoint, version 4: how to ask it, what
// its documents say, and the ARNs in them. It does not know the ECS API, and
// decides nothing about health: it says what the endpoint said.
package ecs
