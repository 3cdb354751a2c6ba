// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spiffe/spire-controller-manager/api/v1alpha1"
	"sigs.k8s.io/yaml"

	"sealpod.test/e2e/lab"
)

// The manifests are what spire-controller-manager's own types take, with no member too many.
func TestCtlEntriesManifests(t *testing.T) {
	t.Parallel()
	l := newEntriesLab(t, lab.SharedServer(t, "1h"))
	l.deploy(workloadA, workloadB)
	l.edit("[kbs]", "class_name = \"zero-trust-workload-identity-manager-spire\"\n[kbs]")
	seen := map[string]v1alpha1.ClusterStaticEntrySpec{}
	documents := bytes.Split([]byte(l.run(0, "print", "--format", "clusterstaticentry").Stdout.String()), []byte("---\n"))
	for _, document := range documents[1:] {
		var entry v1alpha1.ClusterStaticEntry
		if err := yaml.UnmarshalStrict(document, &entry); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if entry.Kind != "ClusterStaticEntry" || entry.APIVersion != v1alpha1.GroupVersion.String() || entry.Spec.ClassName != "zero-trust-workload-identity-manager-spire" ||
			strings.Trim(entry.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%s", document)
		}
		seen[entry.Spec.SPIFFEID] = entry.Spec
	}
	alias := seen["spiffe://"+lab.TrustDomain+"/sealpod/shop/web"]
	if alias.ParentID != "spiffe://"+lab.TrustDomain+"/spire/server" || len(alias.Selectors) != 1 {
		t.Errorf("the alias is %+v", alias)
	}
	a := seen["spiffe://"+lab.TrustDomain+"/ns/shop/sa/a"]
	if len(seen) != 3 || a.X509SVIDTTL.Duration.Minutes() != 10 || a.Hint != "first" ||
		!slices.Equal(a.Selectors, []string{"unix:gid:1000", "unix:uid:1000"}) || !slices.Equal(a.DNSNames, []string{"a.example.test", "b.example.test"}) {
		t.Errorf("workload a is %+v", a)
	}
}
