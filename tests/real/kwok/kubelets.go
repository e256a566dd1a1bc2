//go:build servers

// Package kubelets names what is built here: nothing of it is called.
package kubelets

import _ "sigs.k8s.io/kwok/cmd/kwok"
