// SPDX-License-Identifier: Apache-2.0

package azure_test

import (
	"testing"

	"sealpod.test/azure"
)

func TestFaultsAsText(t *testing.T) {
	for text, want := range map[string]azure.Fault{
		"stale": {Kind: "stale"}, "delay=3s": {Kind: "delay", Value: "3s"}, "delay=3s*2": {Kind: "delay", Value: "3s", Count: 2},
		"imds-status=503*1": {Kind: "imds-status", Value: "503", Count: 1}, "tpm-error=0x922": {Kind: "tpm-error", Value: "0x922"},
	} {
		if got, err := azure.ParseFault(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "odd", "stale=1", "delay", "delay=3", "imds-status=x", "stale*0", "stale*x", "vmpl=-1"} {
		if got, err := azure.ParseFault(text); err == nil {
			t.Errorf("'%s' was taken: %+v", text, got)
		}
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	for name, o := range map[string]azure.Options{
		"kind": {Kind: "sgx"}, "base64": {Kind: azure.KindTDX, Base64: "hex"}, "fault": {Kind: azure.KindSNP, Faults: []azure.Fault{{Kind: "odd"}}},
		"PCR": {Kind: azure.KindSNP, PCRs: []string{"24=00"}}, "digest": {Kind: azure.KindSNP, PCRs: []string{"8=00"}},
	} {
		if err := azure.Enter(&o, []string{"/bin/true"}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := azure.Enter(&azure.Options{Kind: azure.KindSNP}, nil); err == nil {
		t.Error("no command was taken")
	}
}
