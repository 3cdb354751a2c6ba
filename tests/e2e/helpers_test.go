// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io"
	"net"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
)

// forward listens where the fixture's URL points and passes everything on to its
// broker.
func forward(t *testing.T, f *lab.Fixture) {
	t.Helper()
	listener, err := net.Listen("tcp", strings.TrimPrefix(f.Config.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	target := strings.TrimPrefix(f.KBS.URL(), "https://")
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			broker, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				return
			}
			go passOn(client, broker)
			go passOn(broker, client)
		}
	}()
}

func passOn(to, from net.Conn) {
	io.Copy(to, from) //nolint:errcheck // either side may hang up at any time
	to.Close()
	from.Close()
}

func denyAll(o *kbs.Options)   { o.ResourcePolicy = lab.DenyAll }
func plainHTTP(o *kbs.Options) { o.TLS = false }
