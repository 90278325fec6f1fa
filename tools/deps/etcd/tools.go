//go:build tools

// Package tools pins the server that fleet-tools builds.
package tools

import _ "go.etcd.io/etcd/server/v3"
