//go:build servers

// Package kops names what is built here: nothing of it is called.
package kops

import _ "k8s.io/kops/cmd/kops"
