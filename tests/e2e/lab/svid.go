// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/status"
)

// SVID is what a workload was given.
type SVID struct {
	ID       string    `json:"id"`
	NotAfter time.Time `json:"not_after"`
	Verified bool      `json:"verified"` // against the bundle that came with it
	Signer   string    `json:"signer"`   // the key of the CA that signed it, hexadecimal
}

// Answer is what one call of the Workload API ended with.
type Answer struct {
	UID   int    `json:"uid"` // of the process that asked
	SVIDs []SVID `json:"svids"`
	Code  string `json:"code"` // gRPC's, "OK" for success
	Error string `json:"error"`
}

// Fetch asks once for the SVIDs of a process of this uid: another process does
// it, this very binary run by that user.
func Fetch(t testing.TB, socket string, uid uint32) Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", socket)
	cmd.Env = []string{stageVariable + "=" + stageFetch}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("a workload of uid %d: %v", uid, err)
	}
	var answer Answer
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("a workload of uid %d printed '%s': %v", uid, out, err)
	}
	if answer.UID != int(uid) {
		t.Fatalf("the workload ran as uid %d, not %d", answer.UID, uid)
	}
	return answer
}

// FetchID asks until the process of this uid is given an SVID of the ID: a new
// entry reaches the agent with its next synchronisation.
func FetchID(t testing.TB, socket string, uid uint32, id string, limit time.Duration) SVID {
	t.Helper()
	var found SVID
	Eventually(t, limit, "an SVID "+id, func() (bool, string) {
		answer := Fetch(t, socket, uid)
		for _, svid := range answer.SVIDs {
			if svid.ID == id {
				found = svid
			}
		}
		text, _ := json.Marshal(answer)
		return found.ID != "", string(text)
	})
	return found
}

// fetchMain is the workload's side.
func fetchMain() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer := Answer{UID: os.Getuid()}
	got, err := workloadapi.FetchX509Context(ctx, workloadapi.WithAddr("unix://"+os.Args[1]))
	answer.Code = status.Code(err).String()
	if err != nil {
		answer.Error = err.Error()
	} else {
		for _, svid := range got.SVIDs {
			answer.SVIDs = append(answer.SVIDs, SVID{
				ID: svid.ID.String(), NotAfter: svid.Certificates[0].NotAfter, Verified: verifies(got, svid),
				Signer: hex.EncodeToString(svid.Certificates[0].AuthorityKeyId),
			})
		}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		die("%v", err)
	}
	os.Stdout.Write(text)
	os.Exit(0)
}

func verifies(got *workloadapi.X509Context, svid *x509svid.SVID) bool {
	_, _, err := x509svid.Verify(svid.Certificates, got.Bundles)
	return err == nil
}
