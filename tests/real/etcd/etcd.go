//go:build servers

// Package etcd names what is built here: nothing of it is called.
package etcd

import _ "go.etcd.io/etcd/server/v3"
