// SPDX-License-Identifier: Apache-2.0

// Command guest runs the guest's components (attestation agent, data hub,
// api-server-rest) until it is told to stop (SIGINT or SIGTERM). When all listen it
// prints one line of JSON that says where. On SIGUSR1 it prints a line with what it was
// asked for so far.
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

	"sealpod.test/guest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func parse(args []string) (guest.Options, error) {
	var o guest.Options
	var ca, initData string
	fs := flag.NewFlagSet("guest", flag.ContinueOnError)
	fs.StringVar(&o.KBSURL, "kbs", "", "`URL` of the KBS")
	fs.StringVar(&ca, "ca", "", "`FILE` with the KBS's CA (PEM); without it, plain HTTP")
	fs.StringVar(&o.Dir, "dir", "", "`DIR` for the sockets")
	fs.StringVar(&o.REST, "rest", "127.0.0.1:0", "loopback `ADDR:PORT` of api-server-rest")
	fs.StringVar(&o.Features, "features", "resource", "what api-server-rest serves: resource, attestation, all or none")
	fs.StringVar(&initData, "init-data", "", "`FILE` (TOML) that the agent sends along")
	fs.BoolVar(&o.SkipVerify, "skip-sealed-secret-verification", false, "take sealed secrets unverified")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 || o.KBSURL == "" || o.Dir == "" {
		return o, fmt.Errorf("-kbs and -dir are needed, and no arguments beside options")
	}
	return o, read(&o, ca, initData)
}

func read(o *guest.Options, ca, initData string) (err error) {
	if ca != "" {
		if o.CAPEM, err = os.ReadFile(ca); err != nil {
			return err
		}
	}
	if initData != "" {
		text, err := os.ReadFile(initData)
		if err != nil {
			return err
		}
		o.InitData = string(text)
	}
	return nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	defer signal.Stop(asked)
	c, err := guest.Start(o)
	if err != nil {
		return err
	}
	defer c.Close()
	lines := json.NewEncoder(out)
	if err := lines.Encode(map[string]string{"aa": c.AgentSocket, "cdh": c.HubSocket, "rest": c.RESTURL}); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
			if err := lines.Encode(c.Counts()); err != nil {
				return err
			}
		}
	}
}
