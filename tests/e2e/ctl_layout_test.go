// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"sealpod.test/e2e/lab"
)

// newPatternDeployment is one class, as the pattern has place for.
func newPatternDeployment(t *testing.T, credential string) string {
	t.Helper()
	dir := newDeployment(t)
	text := strings.Join([]string{
		`name = "hello"`, `trust_domain = "apps.example.test"`, `tees = ["az-snp-vtpm"]`,
		`[spire]`, `version = "1.13.4"`, `class_name = "zero-trust-workload-identity-manager-spire"`, `server_address = "spire.example.test"`, `trust_bundle_file = "bundle.pem"`,
		`[kbs]`, `url = "https://kbs.example.test"`, `ca_file = "kbs-ca.pem"`, `generation = "trustee-1.0"`,
		`[image]`, `measurements_file = "measurements.json"`,
		`[[class]]`, `name = "qtodo"`, `credential = "` + credential + `"`,
		`[[class.workload]]`, `spiffe_id = "/ns/zero-trust-workload-identity-manager/sa/spire-agent"`,
		`selectors = ["unix:uid:1000800000"]`,
	}, "\n")
	if err := os.WriteFile(filepath.Join(dir, "deployment.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// manifests decodes each document of a file into its Kubernetes type, strictly.
func manifests(t *testing.T, path string) (map[string]corev1.ConfigMap, map[string]corev1.Secret) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	maps, secrets := map[string]corev1.ConfigMap{}, map[string]corev1.Secret{}
	for _, document := range bytes.Split(text, []byte("---\n"))[1:] {
		var kind struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var object corev1.ConfigMap
		var secret corev1.Secret
		if kind.Kind == "Secret" {
			err = yaml.UnmarshalStrict(document, &secret)
			secrets[secret.Namespace+"/"+secret.Name] = secret
		} else {
			err = yaml.UnmarshalStrict(document, &object)
			maps[object.Namespace+"/"+object.Name] = object
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return maps, secrets
}

func readText(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLayoutLayeredZeroTrustHasThePatternsNames(t *testing.T) {
	t.Parallel()
	dir := newPatternDeployment(t, "fetch")
	lab.RunCtl(t, 0, dir, "build", "--layout", "layered-zero-trust")
	out := filepath.Join(dir, "out")
	layout := filepath.Join(out, "layout", "layered-zero-trust")
	initdata, _ := manifests(t, filepath.Join(layout, "initdata.yaml"))
	object := initdata["imperative/initdata"]
	var digests map[string]string
	if err := json.Unmarshal([]byte(readText(t, out, "initdata", "qtodo.digests.json")), &digests); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"INITDATA": readText(t, out, "initdata", "qtodo.annotation"), "PCR8_HASH": digests["pcr8"]}
	if !maps.Equal(object.Data, want) {
		t.Errorf("ConfigMap initdata has %v", object.Data)
	}
	if text := readText(t, layout, "trustee", "measurements.json"); text !=
		`{"measurements":{"sha256":{"pcr03":"`+goodPCR+`","pcr09":"`+goodPCR+`","pcr11":"`+goodPCR+`","pcr12":"`+goodPCR+`"}}}` {
		t.Errorf("measurements.json is %s", text)
	}
	for name, mode := range map[string]os.FileMode{"kbsPrivateKey": 0o600, "kbsPublicKey": 0o644} {
		info, err := os.Stat(filepath.Join(layout, "trustee", name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	openssl(t, "pkey", "-in", filepath.Join(layout, "trustee", "kbsPrivateKey"), "-noout")
	ca, _ := manifests(t, filepath.Join(layout, "spire-x509pop-ca.yaml"))
	if ca["zero-trust-workload-identity-manager/spire-x509pop-ca"].Data["ca-bundle.pem"] != readText(t, out, "x509pop", "root.pem") {
		t.Error("the CA's ConfigMap holds another CA")
	}
	if entries := readText(t, layout, "clusterstaticentries.yaml"); !strings.Contains(entries, "zero-trust-workload-identity-manager-spire") {
		t.Errorf("entries are of another class: %s", entries)
	}
	policies, _ := manifests(t, filepath.Join(layout, "kbs-policies.yaml"))
	if policies["trustee-operator-system/resource-policy"].Data["policy.rego"] != readText(t, out, "kbs", "resource-policy.rego") {
		t.Error("the resource policy is another")
	}
}

func TestLayoutHoldsEachResourceAsASecret(t *testing.T) {
	t.Parallel()
	dir := newPatternDeployment(t, "mint")
	lab.RunCtl(t, 0, dir, "build", "--layout", "layered-zero-trust")
	out := filepath.Join(dir, "out")
	layout := filepath.Join(out, "layout", "layered-zero-trust")
	_, secrets := manifests(t, filepath.Join(layout, "kbs-secrets.yaml"))
	var values struct {
		KBS struct {
			ExtraSecrets []string `json:"extraSecrets"`
		} `json:"kbs"`
	}
	if err := yaml.UnmarshalStrict([]byte(readText(t, layout, "values-trustee.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	if len(values.KBS.ExtraSecrets) != len(secrets) || len(secrets) != 4 {
		t.Errorf("extraSecrets %v of %d Secrets", values.KBS.ExtraSecrets, len(secrets))
	}
	for _, name := range values.KBS.ExtraSecrets {
		for key, value := range secrets["trustee-operator-system/"+name].Data {
			if string(value) != readText(t, out, "kbs", "resources", "default", name, key) {
				t.Errorf("Secret %s, key %s is another resource", name, key)
			}
		}
	}
	if info, _ := os.Stat(filepath.Join(layout, "kbs-secrets.yaml")); info.Mode().Perm() != 0o600 {
		t.Errorf("kbs-secrets.yaml has mode %v", info.Mode())
	}
}

func TestLayoutSealedSecretsAreSigned(t *testing.T) {
	t.Parallel()
	dir := newPatternDeployment(t, "fetch")
	lab.RunCtl(t, 0, dir, "build", "--layout", "layered-zero-trust")
	layout := filepath.Join(dir, "out", "layout", "layered-zero-trust")
	first := readText(t, layout, "spire-agent-sealed-creds.yaml")
	_, secrets := manifests(t, filepath.Join(layout, "spire-agent-sealed-creds.yaml"))
	var key jose.JSONWebKey
	if err := json.Unmarshal([]byte(readText(t, dir, "out", "sealed-secret.jwk")), &key); err != nil {
		t.Fatal(err)
	}
	data := secrets["zero-trust-workload-identity-manager/spire-agent-sealed-creds"].Data
	for name, path := range map[string]string{"cert.pem": "spire-cert-qtodo/cert", "key.pem": "spire-key-qtodo/key"} {
		text, found := strings.CutPrefix(string(data[name]), "sealed.")
		jws, err := jose.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
		if !found || err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		payload, err := jws.Verify(key)
		if err != nil || !strings.Contains(string(payload), `"name":"kbs:///default/`+path+`"`) {
			t.Errorf("%s: %v %s", name, err, payload)
		}
	}
	lab.RunCtl(t, 0, dir, "build", "--layout", "layered-zero-trust")
	if readText(t, layout, "spire-agent-sealed-creds.yaml") != first {
		t.Error("what was sealed is sealed anew")
	}
	lab.RunCtl(t, 0, dir, "build")
	if readText(t, layout, "spire-agent-sealed-creds.yaml") != first {
		t.Error("a build without the layout took it away")
	}
	edit := func(from, to string) {
		text := readText(t, dir, "deployment.toml")
		lab.WriteFile(t, filepath.Join(dir, "deployment.toml"), []byte(strings.Replace(text, from, to, 1)), 0o600)
		lab.RunCtl(t, 0, dir, "build", "--layout", "layered-zero-trust")
	}
	edit(`[kbs]`, "[kbs]\nrepository = \"other\"")
	if text := readText(t, layout, "spire-agent-sealed-creds.yaml"); text == first {
		t.Error("other resources, and what was sealed before is still there")
	}
	for _, name := range []string{"qtodo.key", "qtodo.pem"} {
		if err := os.Remove(filepath.Join(dir, "out", "x509pop", name)); err != nil {
			t.Fatal(err)
		}
	}
	edit(`"fetch"`, `"mint"`)
	if _, err := os.Stat(filepath.Join(layout, "spire-agent-sealed-creds.yaml")); err == nil {
		t.Error("nothing is fetched, and what was sealed before is still there")
	}
}

func TestLayoutCocoPatternHasNoAdminKey(t *testing.T) {
	t.Parallel()
	dir := newPatternDeployment(t, "mint")
	lab.RunCtl(t, 0, dir, "build", "--layout", "coco-pattern")
	layout := filepath.Join(dir, "out", "layout", "coco-pattern")
	initdata, _ := manifests(t, filepath.Join(layout, "initdata.yaml"))
	object := initdata["imperative/initdata"]
	for _, key := range []string{"INITDATA", "PCR8_HASH", "RAW_HASH", "version", "algorithm", "aa.toml", "cdh.toml", "policy.rego"} {
		if object.Data[key] == "" {
			t.Errorf("ConfigMap initdata lacks %s", key)
		}
	}
	if _, err := os.Stat(filepath.Join(layout, "trustee", "kbsPrivateKey")); err == nil {
		t.Error("there is an admin's key, which this generation has no use for")
	}
	policies, _ := manifests(t, filepath.Join(layout, "kbs-policies.yaml"))
	if policies["trustee-operator-system/resource-policy"].Data["resource-policy.rego"] == "" {
		t.Error("the resource policy has another key")
	}
}

func TestLayoutRefuses(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	for argument, says := range map[string]string{
		"layered-zero-trust": "one class, not of 2",
		"other":              "is no layout",
	} {
		p := lab.RunCtl(t, 100, dir, "build", "--layout", argument)
		if !strings.Contains(p.Stderr.String(), says) {
			t.Errorf("'%s' is not in: %v", says, p.Stderr.String())
		}
	}
	dir = newPatternDeployment(t, "mint")
	for text, says := range map[string]string{
		`{"measurements":{"sha256":{"pcr03":"` + goodPCR + `"}}}`: "pcr09",
	} {
		if err := os.WriteFile(filepath.Join(dir, "measurements.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := lab.RunCtl(t, 100, dir, "build", "--layout", "layered-zero-trust")
		if !strings.Contains(p.Stderr.String(), says) {
			t.Errorf("'%s' is not in: %v", says, p.Stderr.String())
		}
	}
}
