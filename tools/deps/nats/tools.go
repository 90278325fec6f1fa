//go:build tools

// Package tools pins the server that fleet-tools builds.
package tools

import _ "github.com/nats-io/nats-server/v2"
