//go:build servers

// Package helm names what is built here: nothing of it is called.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
