// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"cmp"
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
	"sealpod.test/kbs"
)

// newPatternDeployment is one class, as the pattern has place for.
func newPatternDeployment(t *testing.T, credential, generation string) string {
	t.Helper()
	dir := newDeployment(t)
	text := strings.Join([]string{
		`name = "hello"`, `trust_domain = "apps.example.test"`, `tees = ["az-snp-vtpm"]`,
		`[spire]`, `version = "1.13.4"`, `class_name = "zero-trust-workload-identity-manager-spire"`, `server_address = "spire.example.test"`, `trust_bundle_file = "bundle.pem"`,
		`[kbs]`, `url = "https://kbs.example.test"`, `ca_file = "kbs-ca.pem"`, `generation = "` + generation + `"`,
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
	dir := newPatternDeployment(t, "fetch", "trustee-1.0")
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
	dir := newPatternDeployment(t, "mint", "trustee-1.0")
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
	dir := newPatternDeployment(t, "fetch", "trustee-1.0")
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
	edit(`"qtodo"`, `"another"`)
	if text := readText(t, layout, "spire-agent-sealed-creds.yaml"); text == first {
		t.Error("other resources, and what was sealed before is still there")
	}
	for _, name := range []string{"another.key", "another.pem"} {
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
	dir := newPatternDeployment(t, "mint", "trustee-1.1")
	lab.RunCtl(t, 0, dir, "build", "--layout", "coco-pattern")
	layout := filepath.Join(dir, "out", "layout", "coco-pattern")
	initdata, _ := manifests(t, filepath.Join(layout, "initdata.yaml"))
	object := initdata["imperative/initdata"]
	if debug := initdata["imperative/debug-initdata"]; !maps.Equal(debug.Data, object.Data) || len(debug.Data) == 0 {
		t.Errorf("ConfigMap debug-initdata has %v", debug.Data)
	}
	for name, object := range initdata {
		if object.Labels["coco.io/type"] != "initdata" {
			t.Errorf("%s has the labels %v", name, object.Labels)
		}
	}
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
	for name, object := range policies {
		if object.Annotations["kbs.confidentialcontainers.org/migrated-from-v1.1.0"] != "v1.2.0" {
			t.Errorf("%s has the annotations %v: the operator would delete it", name, object.Annotations)
		}
	}
}

// What the values file puts into Vault is what secretResources takes out of it, and what the KBS has to serve.
func TestLayoutCocoPatternServesSecretsByVault(t *testing.T) {
	t.Parallel()
	dir := newPatternDeployment(t, "fetch", "trustee-1.1")
	text := readText(t, dir, "deployment.toml") + `
[[secret]]
path = "status/one"
value = "1"
[[secret]]
path = "other/one"
value = "1"
[[secret]]
path = "status/two"
value = "2"
`
	lab.WriteFile(t, filepath.Join(dir, "deployment.toml"), []byte(text), 0o600)
	lab.RunCtl(t, 0, dir, "build", "--layout", "coco-pattern")
	layout := filepath.Join(dir, "out", "layout", "coco-pattern")
	var vault struct {
		Version string
		Secrets []struct {
			Name          string
			VaultPrefixes []string `json:"vaultPrefixes"`
			Fields        []struct{ Name, Path, Value, OnMissingValue, VaultPolicy string }
		}
	}
	if err := yaml.UnmarshalStrict([]byte(readText(t, layout, "values-secret-coco-pattern.yaml")), &vault); err != nil {
		t.Fatal(err)
	}
	served := map[string]string{} // by Secret and key
	for _, secret := range vault.Secrets {
		for _, field := range secret.Fields {
			content := field.Value
			if path, found := strings.CutPrefix(field.Path, "~/.coco-pattern/"); found {
				content = readText(t, layout, "trustee", path)
			}
			served["secret/data/hub/"+secret.Name+" "+field.Name] = content
		}
	}
	var values struct {
		KBS struct{ SecretResources []struct{ Name, Key string } }
	}
	if err := yaml.UnmarshalStrict([]byte(readText(t, layout, "values-trustee.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{"signing-key": "secret/data/hub/sealedSecretsSigningKey"} // by the chart itself
	for _, resource := range values.KBS.SecretResources {
		if keys[resource.Name] != "" {
			t.Errorf("%s is listed twice", resource.Name)
		}
		keys[resource.Name] = resource.Key
	}
	resources := filepath.Join(dir, "out", "kbs", "resources", "default")
	count := 0
	for name, text := range contents(t, resources) {
		secret, key, _ := strings.Cut(name, "/")
		count++
		if _, want, _ := strings.Cut(text, " "); served[keys[secret]+" "+key] != want {
			t.Errorf("%s is served as '%.30s'", name, served[keys[secret]+" "+key])
		}
	}
	if count != 8 || served["secret/data/hub/sealedSecretsSigningKey public"] == "" || served["secret/data/hub/pcrStash json"] == "" {
		t.Errorf("%d resources; of %v", count, served)
	}
	lab.WriteFile(t, filepath.Join(dir, "deployment.toml"), []byte(strings.Replace(text, `value = "2"`, `value = "ä"`, 1)), 0o600)
	says(t, lab.RunCtl(t, 100, dir, "build", "--layout", "coco-pattern"), "default/status/two", "is no ASCII text")
}

// The policies of a layout, with the reference values that the pattern itself makes out of what the layout gives it,
// release the class's resources to a VM of that class.
func TestLayoutPoliciesHoldWithThePatternsValues(t *testing.T) {
	t.Parallel()
	for name, generation := range map[string]string{"layered-zero-trust": "trustee-1.0", "coco-pattern": "trustee-1.1"} {
		dir := newPatternDeployment(t, "mint", generation)
		lab.RunCtl(t, 0, dir, "build", "--layout", name)
		layout := filepath.Join(dir, "out", "layout", name)
		policies, _ := manifests(t, filepath.Join(layout, "kbs-policies.yaml"))
		initdata, _ := manifests(t, filepath.Join(layout, "initdata.yaml"))
		pcr8 := initdata["imperative/initdata"].Data["PCR8_HASH"]
		var stash struct {
			Measurements struct{ SHA256 map[string]string }
		}
		if err := json.Unmarshal([]byte(readText(t, layout, "trustee", "measurements.json")), &stash); err != nil {
			t.Fatal(err)
		}
		values := map[string][]string{}
		for _, tee := range []string{"snp", "tdx"} {
			values[tee+"_pcr08"] = []string{pcr8}
			for _, pcr := range []string{"pcr03", "pcr09", "pcr11", "pcr12"} {
				values[tee+"_"+pcr] = []string{stash.Measurements.SHA256[pcr]}
			}
		}
		text, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		resource := policies["trustee-operator-system/resource-policy"].Data
		j := kbs.Judge{
			ResourcePolicy:    cmp.Or(resource["policy.rego"], resource["resource-policy.rego"]),
			AttestationPolicy: policies["trustee-operator-system/attestation-policy"].Data["default_cpu.rego"],
			ReferenceValues:   string(text),
		}
		evidence := evidenceOf(generation, "az-snp-vtpm", "web")
		evidence["init_data"] = pcr8
		for _, own := range evidence {
			if own, ok := own.(claims); ok && own["tpm"] != nil {
				own["tpm"].(claims)["pcr08"] = pcr8
			}
		}
		if v := ask(t, j, evidence, nil, "default/x509pop-issuer-qtodo/pem"); !v.Released {
			t.Errorf("%s: not released; %s", name, v.Status)
		}
		evidence["init_data"] = wrong32
		if v := ask(t, j, evidence, nil, "default/x509pop-issuer-qtodo/pem"); v.Released {
			t.Errorf("%s: released to other init-data", name)
		}
	}
}

// NOTES.md names every step that takes the place of one that it tells to take out.
func TestLayoutNotesAreWhole(t *testing.T) {
	t.Parallel()
	for name, generation := range map[string]string{"layered-zero-trust": "trustee-1.0", "coco-pattern": "trustee-1.1"} {
		dir := newPatternDeployment(t, "fetch", generation)
		lab.RunCtl(t, 0, dir, "build", "--layout", name)
		layout := filepath.Join(dir, "out", "layout", name)
		notes := readText(t, layout, "NOTES.md")
		for _, words := range []string{"spire-config --merge", "spire-server-patch.yaml", "values-trustee.yaml", "CREATE_ONLY_MODE", "Argo CD", "image signature policy"} {
			if !strings.Contains(notes, words) {
				t.Errorf("%s: NOTES.md does not name '%s'", name, words)
			}
		}
		if vault := strings.Contains(notes, "--only spire"); vault != (name == "coco-pattern") {
			t.Errorf("%s: that nobody administrates the KBS: %v", name, vault)
		}
	}
}

func TestLayoutRefuses(t *testing.T) {
	t.Parallel()
	dir := newDeployment(t)
	for argument, says := range map[string]string{
		"coco-pattern": "one class, not of 2",
		"other":        "is no layout",
	} {
		p := lab.RunCtl(t, 100, dir, "build", "--layout", argument)
		if !strings.Contains(p.Stderr.String(), says) {
			t.Errorf("'%s' is not in: %v", says, p.Stderr.String())
		}
	}
	dir = newPatternDeployment(t, "mint", "trustee-1.1")
	says(t, lab.RunCtl(t, 100, dir, "build", "--layout", "layered-zero-trust"), "of generation 'trustee-1.0': key 'kbs.generation'")
	dir = newPatternDeployment(t, "mint", "trustee-1.0")
	says(t, lab.RunCtl(t, 100, dir, "build", "--layout", "coco-pattern"), "of generation 'trustee-1.1': key 'kbs.generation'")
	text := strings.Replace(readText(t, dir, "deployment.toml"), "[kbs]", "[kbs]\nrepository = \"other\"", 1)
	lab.WriteFile(t, filepath.Join(dir, "deployment.toml"), []byte(text), 0o600)
	says(t, lab.RunCtl(t, 100, dir, "build", "--layout", "layered-zero-trust"), "key 'kbs.repository' cannot be 'other'")
	dir = newPatternDeployment(t, "mint", "trustee-1.0")
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
