// SPDX-License-Identifier: Apache-2.0

// Command kbs runs the test broker on loopback until it is told to stop (SIGINT
// or SIGTERM). When it listens it prints one line of JSON that says where.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"sealpod.test/kbs"
	"sealpod.test/kbs/hardware"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kbs:", err)
		os.Exit(1)
	}
}

type settings struct {
	options                         kbs.Options
	caFile, policy, adminKey, roots string
}

func parse(args []string) (*settings, error) {
	var s settings
	fs := flag.NewFlagSet("kbs", flag.ContinueOnError)
	fs.StringVar(&s.options.Listen, "listen", "127.0.0.1:0", "loopback `ADDR:PORT` of the broker")
	fs.StringVar(&s.caFile, "tls", "", "serve TLS; write the throw-away CA's certificate to `FILE`")
	fs.StringVar(&s.options.ResourceDir, "resource-dir", "", "`DIR` with files repo/type/tag")
	fs.StringVar(&s.policy, "resource-policy", "", "Rego `FILE`; the default policy denies the sample TEE")
	fs.StringVar(&s.options.Control, "control", "", "loopback `ADDR:PORT` of the control port")
	fs.StringVar(&s.adminKey, "admin-key", "", "Ed25519 or P-256 public key `PATH` (PEM) that verifies admin tokens")
	fs.StringVar(&s.roots, "roots", "", "`DIR` of throw-away roots (tests/tee): verify hardware evidence, beside sample")
	fs.BoolVar(&s.options.Nagle, "nagle", false, "stall the first answer on a new TLS 1.3 connection, as the real broker does")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument '%s'", fs.Arg(0))
	}
	s.options.TLS = s.caFile != ""
	return &s, s.readFiles()
}

func (s *settings) readFiles() error {
	if s.policy != "" {
		text, err := os.ReadFile(s.policy)
		if err != nil {
			return err
		}
		s.options.ResourcePolicy = string(text)
	}
	if s.roots != "" {
		roots, err := hardware.Load(s.roots)
		if err != nil {
			return err
		}
		s.options.Verifiers = append(roots.Verifiers(), kbs.Sample{})
	}
	if s.adminKey == "" {
		return nil
	}
	text, err := os.ReadFile(s.adminKey)
	if err != nil {
		return err
	}
	s.options.AdminKey, err = kbs.ParseAdminKey(text)
	return err
}

func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	server, err := kbs.New(s.options)
	if err != nil {
		return err
	}
	if s.caFile != "" {
		if err := os.WriteFile(s.caFile, server.CAPEM(), 0o644); err != nil {
			return err
		}
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Close()
	line := map[string]string{"url": server.URL()}
	if control := server.ControlURL(); control != "" {
		line["control"] = control
	}
	if s.caFile != "" {
		line["ca"] = s.caFile
	}
	if err := json.NewEncoder(out).Encode(line); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
