//go:build tools

// Package tools pins the program that fleet-tools builds.
package tools

import _ "github.com/argoproj/argo-cd/v3/cmd"
