// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealpod.test/e2e/lab"
	"sealpod.test/kbs"
)

// Values that stand for an image.
var (
	goodLaunch = strings.Repeat("a1", 48)
	goodTD     = strings.Repeat("b1", 48)
	goodRTMR   = strings.Repeat("b2", 48)
	goodPCR    = strings.Repeat("c1", 32)
	wrong48    = strings.Repeat("ee", 48)
	wrong32    = strings.Repeat("ee", 32)
)

const policyDeployment = `name = "hello"
trust_domain = "example.test"
tees = ["snp", "tdx", "az-snp-vtpm", "az-tdx-vtpm"]
[spire]
version = "1.15.2"
server_address = "spire.example.test"
trust_bundle_file = "bundle.pem"
[kbs]
url = "https://kbs.example.test"
ca_file = "ca.pem"
generation = "%s"
[image]
measurements_file = "measurements.json"
[image.reference_values]
snp_launch_measurement = ["%s", "%s"]
mr_td = ["%s"]
rtmr_1 = ["%s"]
rtmr_2 = ["%s"]
[[class]]
name = "web"
[[class.workload]]
spiffe_id = "/web"
selectors = ["unix:uid:1"]
[[class]]
name = "db"
credential = "fetch"
[[class.workload]]
spiffe_id = "/db"
selectors = ["unix:uid:2"]
[[secret]]
path = "status/all"
value = "x"
[[secret]]
path = "password/db"
value = "x"
classes = ["db"]
`

func initDataOf(class string) string {
	return "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n\"class\" = \"" + class + "\"\n"
}

// boundInitData is what a TEE of this kind carries for a class.
func boundInitData(class, tee string) string {
	digest := sha256.Sum256([]byte(initDataOf(class)))
	switch tee {
	case "snp":
		return hex.EncodeToString(digest[:])
	case "tdx":
		return hex.EncodeToString(digest[:]) + strings.Repeat("00", 16)
	}
	pcr := sha256.Sum256(append(make([]byte, 32), digest[:]...))
	return hex.EncodeToString(pcr[:])
}

// policyDir is a deployment with what build would have made of it.
func policyDir(t *testing.T, deployment string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "out", "initdata"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"deployment.toml": deployment,
		"measurements.json": fmt.Sprintf(`{"measurements":{"sha256":{"pcr03":"0x%[1]s","pcr09":"%[1]s","pcr11":["%[1]s"],"pcr12":"%[1]s"}}}`,
			goodPCR),
		"out/initdata/web.toml": initDataOf("web"),
		"out/initdata/db.toml":  initDataOf("db"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func generated(t *testing.T, dir, what string) string {
	t.Helper()
	return lab.RunCtl(t, 0, dir, "kbs", "generate", what).Stdout.String()
}

func policyText(generation string) string {
	return fmt.Sprintf(policyDeployment, generation, goodLaunch, strings.Repeat("a2", 48), goodTD, goodRTMR, goodRTMR)
}

// judgeOf makes the policies of a generation.
func judgeOf(t *testing.T, generation string) kbs.Judge {
	t.Helper()
	return judgeIn(t, policyDir(t, policyText(generation)), generation)
}

func judgeIn(t *testing.T, dir, generation string) kbs.Judge {
	t.Helper()
	values := generated(t, dir, "reference-values")
	if generation == "trustee-1.0" {
		var list []struct {
			Name, Expiration string
			Value            []string
		}
		if err := json.Unmarshal([]byte(values), &list); err != nil {
			t.Fatal(err)
		}
		byName := map[string][]string{}
		for _, value := range list {
			byName[value.Name] = value.Value
		}
		again, err := json.Marshal(byName)
		if err != nil {
			t.Fatal(err)
		}
		values = string(again)
	}
	return kbs.Judge{
		ResourcePolicy: generated(t, dir, "resource-policy"), AttestationPolicy: generated(t, dir, "attestation-policy"), ReferenceValues: values,
	}
}

type claims = map[string]any

func hardwareClaims(tee string) claims {
	switch tee {
	case "snp":
		return claims{"measurement": goodLaunch, "policy_debug_allowed": false, "policy_migrate_ma": false, "reported_tcb_snp": 22}
	case "tdx":
		return claims{
			"quote": claims{
				"header": claims{"tee_type": "81000000", "vendor_id": "939a7233f79c4ca9940a0db3957f0607"},
				"body":   claims{"mr_td": goodTD, "rtmr_0": wrong48, "rtmr_1": goodRTMR, "rtmr_2": goodRTMR},
			},
			"td_attributes": claims{"debug": false}, "tcb_status": "UpToDate",
		}
	case "az-snp-vtpm":
		return claims{"policy_debug_allowed": "false", "policy_migrate_ma": "false", "measurement": "b64", "tpm": pcrs("web")}
	}
	td := hardwareClaims("tdx")
	td["quote"].(claims)["body"] = claims{"mr_td": wrong48}
	td["tpm"] = pcrs("web")
	return td
}

func pcrs(class string) claims {
	out := claims{}
	for i := range 24 {
		out[fmt.Sprintf("pcr%02d", i)] = goodPCR
	}
	out["pcr08"] = boundInitData(class, "az-snp-vtpm")
	out["pcr04"] = wrong32 // not measured by anybody
	return out
}

// evidenceOf is good evidence of a class.
func evidenceOf(generation, tee, class string) claims {
	own := hardwareClaims(tee)
	if own["tpm"] != nil {
		own["tpm"] = pcrs(class)
	}
	name := tee
	if generation == "trustee-1.0" {
		name = map[string]string{"az-snp-vtpm": "azsnpvtpm", "az-tdx-vtpm": "aztdxvtpm"}[tee]
		if name == "" {
			name = tee
		}
	}
	return claims{
		name: own, "init_data": boundInitData(class, tee), "init_data_claims": nil,
		"report_data": "00", "runtime_data_claims": claims{},
	}
}

var policyTEEs = []string{"snp", "tdx", "az-snp-vtpm", "az-tdx-vtpm"}

func ask(t *testing.T, j kbs.Judge, evidence, further claims, path string) kbs.Verdict {
	t.Helper()
	v, err := j.Ask(evidence, further, "resource", strings.Split(path, "/"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Each class gets what is for it, on each kind of TEE, and nothing else.
func TestCtlPolicyReleasesByClass(t *testing.T) {
	t.Parallel()
	want := map[string]map[string]bool{
		"default/x509pop-issuer-web/pem":        {"web": true},
		"default/spire-key-db/key":              {"db": true},
		"default/spire-cert-db/cert":            {"db": true},
		"default/status/all":                    {"web": true, "db": true},
		"default/signing-key/sealed-secret":     {"web": true, "db": true},
		"default/spire-trust-bundle/pem":        {"web": true, "db": true},
		"default/sealpod-config-web/toml":       {"web": true},
		"default/sealpod-config-db/toml":        {"db": true},
		"default/password/db":                   {"db": true},
		"default/x509pop-issuer-db/pem":         {},
		"default/x509pop-issuer-web/pem/":       {},
		"default/x509pop-issuer-web":            {},
		"other/status/all":                      {},
		"default/status/all2":                   {},
		"default/x509pop-issuer-web/pem/../pem": {},
	}
	for _, generation := range []string{"trustee-1.1", "trustee-1.0"} {
		j := judgeOf(t, generation)
		for _, tee := range policyTEEs {
			for _, class := range []string{"web", "db", "other"} {
				for path, classes := range want {
					v := ask(t, j, evidenceOf(generation, tee, class), nil, path)
					if v.Released != classes[class] {
						t.Errorf("%s: %s of class %s, %s: released %v (%s)", generation, tee, class, path, v.Released, v.Status)
					}
				}
			}
		}
	}
}

// While a class's init-data is rotated, what it was before is as good as what it is; each is of its class alone.
func TestCtlPolicyReleasesToInitDataOfBefore(t *testing.T) {
	t.Parallel()
	for _, generation := range []string{"trustee-1.1", "trustee-1.0"} {
		dir := policyDir(t, policyText(generation))
		if err := os.Mkdir(filepath.Join(dir, "out", "initdata-previous"), 0o700); err != nil {
			t.Fatal(err)
		}
		previous := filepath.Join(dir, "out", "initdata-previous", "web.toml")
		lab.WriteFile(t, previous, []byte(initDataOf("before")), 0o600)
		j := judgeIn(t, dir, generation)
		for _, tee := range policyTEEs {
			for class, want := range map[string][2]bool{"web": {true, false}, "before": {true, false}, "db": {false, true}, "other": {}} {
				for i, path := range []string{"default/x509pop-issuer-web/pem", "default/password/db"} {
					if v := ask(t, j, evidenceOf(generation, tee, class), nil, path); v.Released != want[i] {
						t.Errorf("%s: %s of class %s, %s: released %v (%s)", generation, tee, class, path, v.Released, v.Status)
					}
				}
			}
		}
		lab.WriteFile(t, previous, []byte(initDataOf("db")), 0o600)
		says(t, lab.RunCtl(t, 100, dir, "kbs", "generate", "resource-policy"), "have the same init-data")
		lab.WriteFile(t, previous, []byte("x"), 0o600)
		says(t, lab.RunCtl(t, 100, dir, "kbs", "generate", "resource-policy"), "initdata-previous/web.toml")
	}
}

// Firmware below the least that is wanted, in any part, is no sound hardware.
func TestCtlPolicyWantsATCB(t *testing.T) {
	t.Parallel()
	least := map[string]int{"bootloader": 3, "tee": 1, "snp": 22, "microcode": 100}
	table := "[snp_minimum_tcb]\n"
	for part, number := range least {
		table += fmt.Sprintf("%s = %d\n", part, number)
	}
	for _, generation := range []string{"trustee-1.1", "trustee-1.0"} {
		j := judgeIn(t, policyDir(t, strings.Replace(policyText(generation), "[spire]", table+"[spire]", 1)), generation)
		for _, tee := range []string{"snp", "az-snp-vtpm"} {
			released := func(change string, by int, drop bool) bool {
				evidence := evidenceOf(generation, tee, "web")
				for _, own := range evidence {
					claims, ok := own.(claims)
					if !ok || claims["policy_migrate_ma"] == nil {
						continue
					}
					for part, number := range least {
						if part == change {
							number += by
						}
						claims["reported_tcb_"+part] = number
						if tee == "az-snp-vtpm" {
							claims["reported_tcb_"+part] = fmt.Sprint(number)
						}
						if part == change && drop {
							delete(claims, "reported_tcb_"+part)
						}
					}
				}
				return ask(t, j, evidence, nil, "default/x509pop-issuer-web/pem").Released
			}
			for part := range least {
				// As texts "9" is more than "100".
				if !released(part, 0, false) || !released(part, 100, false) || released(part, -1, false) || released(part, 0, true) {
					t.Errorf("%s, %s, %s: %v %v %v %v, want true, true, false, false", generation, tee, part,
						released(part, 0, false), released(part, 100, false), released(part, -1, false), released(part, 0, true))
				}
			}
			if released("microcode", -91, false) {
				t.Errorf("%s, %s: 9 passes for more than 100", generation, tee)
			}
		}
		for _, tee := range []string{"tdx", "az-tdx-vtpm"} {
			if !ask(t, j, evidenceOf(generation, tee, "web"), nil, "default/x509pop-issuer-web/pem").Released {
				t.Errorf("%s: %s is measured by what SNP machines must be", generation, tee)
			}
		}
	}
}

// The table of what must be denied: each row spoils good evidence in one way.
func TestCtlPolicyDenies(t *testing.T) {
	t.Parallel()
	set := func(path string, value any) func(claims) {
		return func(own claims) {
			names := strings.Split(path, "/")
			for _, name := range names[:len(names)-1] {
				own = own[name].(claims)
			}
			if value == nil {
				delete(own, names[len(names)-1])
			} else {
				own[names[len(names)-1]] = value
			}
		}
	}
	rows := []struct {
		name, tee string
		spoil     func(own claims)
	}{
		{"other image", "snp", set("measurement", wrong48)},
		{"no measurement", "snp", set("measurement", nil)},
		{"debug", "snp", set("policy_debug_allowed", true)},
		{"debug not said", "snp", set("policy_debug_allowed", nil)},
		{"debug as text", "snp", set("policy_debug_allowed", "false")},
		{"migration", "snp", set("policy_migrate_ma", true)},
		{"other TD", "tdx", set("quote/body/mr_td", wrong48)},
		{"other kernel", "tdx", set("quote/body/rtmr_1", wrong48)},
		{"other command line", "tdx", set("quote/body/rtmr_2", wrong48)},
		{"debug", "tdx", set("td_attributes/debug", true)},
		{"no attributes", "tdx", set("td_attributes", nil)},
		{"old TCB", "tdx", set("tcb_status", "OutOfDate")},
		{"TCB not said", "tdx", set("tcb_status", nil)},
		{"SGX", "tdx", set("quote/header/tee_type", "00000000")},
		{"other vendor", "tdx", set("quote/header/vendor_id", strings.Repeat("00", 16))},
		{"debug", "az-snp-vtpm", set("policy_debug_allowed", "true")},
		{"migration", "az-snp-vtpm", set("policy_migrate_ma", "true")},
		{"debug", "az-tdx-vtpm", set("td_attributes/debug", true)},
		{"old TCB", "az-tdx-vtpm", set("tcb_status", "OutOfDate")},
	}
	for _, tee := range []string{"az-snp-vtpm", "az-tdx-vtpm"} {
		for _, pcr := range []string{"pcr03", "pcr08", "pcr09", "pcr11", "pcr12"} {
			rows = append(rows, struct {
				name, tee string
				spoil     func(own claims)
			}{"other " + pcr, tee, set("tpm/"+pcr, wrong32)})
		}
		rows = append(rows, struct {
			name, tee string
			spoil     func(own claims)
		}{"no registers", tee, set("tpm", nil)})
	}
	for _, generation := range []string{"trustee-1.1", "trustee-1.0"} {
		j := judgeOf(t, generation)
		for _, row := range rows {
			evidence := evidenceOf(generation, row.tee, "web")
			for name, own := range evidence {
				if strings.HasPrefix(name, "snp") || strings.HasPrefix(name, "tdx") || strings.HasPrefix(name, "az") {
					row.spoil(own.(claims))
				}
			}
			if v := ask(t, j, evidence, nil, "default/status/all"); v.Released || v.Status == "affirming" {
				t.Errorf("%s: %s, %s: released %v, %s", generation, row.tee, row.name, v.Released, v.Status)
			}
		}
	}
}

// What is not about one claim.
func TestCtlPolicyDeniesOtherEvidence(t *testing.T) {
	t.Parallel()
	const path = "default/status/all"
	j := judgeOf(t, "trustee-1.1")
	good := func() claims { return evidenceOf("trustee-1.1", "snp", "web") }
	affirming := claims{"ear.status": "affirming", "ear.veraison.annotated-evidence": claims{"nvidia": claims{}}}
	refuse := func(name string, v kbs.Verdict, err error) {
		t.Helper()
		if err != nil || v.Released {
			t.Errorf("%s: released %v, %s, %v", name, v.Released, v.Status, err)
		}
	}
	askIt := func(j kbs.Judge, evidence, further claims, plugin string, path any) (kbs.Verdict, error) {
		return j.Ask(evidence, further, plugin, path)
	}
	segments := strings.Split(path, "/")
	if v, err := askIt(j, good(), claims{"gpu0": affirming}, "resource", segments); err != nil || !v.Released {
		t.Fatalf("good evidence with a good device: %+v, %v", v, err)
	}

	sample := claims{"sample": claims{"svn": "1", "launch_digest": "abcde", "debug": false}, "init_data": boundInitData("web", "snp")}
	v, err := askIt(j, sample, nil, "resource", segments)
	refuse("sample", v, err)
	both := good()
	both["tdx"] = hardwareClaims("tdx")
	v, err = askIt(j, both, nil, "resource", segments)
	refuse("two kinds at once", v, err)
	v, err = askIt(j, claims{}, nil, "resource", segments)
	refuse("no evidence", v, err)

	for name, change := range map[string]func(claims){
		"init-data of nobody":      func(e claims) { e["init_data"] = wrong32 },
		"without init-data":        func(e claims) { e["init_data"] = strings.Repeat("00", 32) },
		"init-data not said":       func(e claims) { delete(e, "init_data") },
		"init-data of another TEE": func(e claims) { e["init_data"] = boundInitData("web", "az-snp-vtpm") },
		"claims are no object":     func(e claims) { e["snp"] = "yes" },
		// The text that a client sends along proves nothing; what the report carries does.
		"the right text, other report": func(e claims) {
			e["init_data"], e["init_data_claims"] = wrong32, claims{"class": "web"}
		},
	} {
		evidence := good()
		change(evidence)
		v, err = askIt(j, evidence, nil, "resource", segments)
		refuse(name, v, err)
		// The attestation policy knows all classes' init-data together.
		if name != "init-data of another TEE" && v.Status == "affirming" {
			t.Errorf("%s: affirming", name)
		}
	}

	for _, status := range []string{"none", "warning", "contraindicated", ""} {
		device := maps.Clone(affirming)
		device["ear.status"] = status
		v, err = askIt(j, good(), claims{"gpu0": device}, "resource", segments)
		refuse("a device that is "+status, v, err)
	}
	v, err = askIt(j, good(), nil, "nebula-ca", segments)
	refuse("another plugin", v, err)
	for name, odd := range map[string]any{
		"one piece": path, "fewer": segments[:2], "more": append(segments[:3:3], ""), "none": []string{},
		"slashes in segments": []string{"default/status", "all"}, "two in one": []string{"default", "status/all", ""},
	} {
		v, err = askIt(j, good(), nil, "resource", odd)
		refuse("path: "+name, v, err)
	}

	// An attestation policy that the KBS takes and that means nothing.
	silent := j
	silent.AttestationPolicy = "package policy\nimport rego.v1\ndefault executables := 3\n"
	v, err = askIt(silent, good(), nil, "resource", segments)
	refuse("without trust_claims", v, err)
	if v.Status != "none" {
		t.Errorf("without trust_claims the status is %s", v.Status)
	}
	for _, missing := range []string{"{}", `{"init_data":[]}`} {
		bare := j
		bare.ReferenceValues = missing
		v, err = askIt(bare, good(), nil, "resource", segments)
		refuse("reference values "+missing, v, err)
	}
}

// The older generation may hand the path over in one piece.
func TestCtlPolicyPathInOnePiece(t *testing.T) {
	t.Parallel()
	j := judgeOf(t, "trustee-1.0")
	evidence := evidenceOf("trustee-1.0", "az-snp-vtpm", "web")
	for path, want := range map[string]bool{
		"default/status/all": true, "/default/status/all": true, "//default/status/all": false,
		"default/password/db": false, "default/status/all/": false, "": false,
	} {
		if v, err := j.Ask(evidence, nil, "resource", path); err != nil || v.Released != want {
			t.Errorf("'%s': %+v, %v", path, v, err)
		}
	}
}

// What would only be found later, as a denial, is refused when the policies are made.
func TestCtlPolicyMaterial(t *testing.T) {
	t.Parallel()
	good := policyText("trustee-1.1")
	for name, row := range map[string]struct {
		file, old, new, words string
	}{
		"no launch measurement":            {"deployment.toml", "snp_launch_measurement", "mr_seam", "no reference value 'snp_launch_measurement'"},
		"unknown value":                    {"deployment.toml", "rtmr_1", "rtmr_9", "rtmr_9: would be read by no rule"},
		"value of a kind not allowed":      {"deployment.toml", `"tdx", `, "", "mr_td: would be read by no rule"},
		"short value":                      {"deployment.toml", goodTD, goodTD[2:], "has 94 digits; this value has 96"},
		"made":                             {"deployment.toml", "mr_td", "snp_pcr08", "is made out of the init-data"},
		"twice":                            {"deployment.toml", `mr_td = ["` + goodTD, `snp_pcr03 = ["` + goodPCR, "'snp_pcr03' stands in image.reference_values too"},
		"no file":                          {"deployment.toml", "measurements.json", "none.json", "none.json"},
		"no register":                      {"measurements.json", "pcr11", "pcr10", "no reference value 'snp_pcr11'"},
		"half a register":                  {"measurements.json", goodPCR, goodPCR[1:], "is not 64 hexadecimal digits"},
		"no bank":                          {"measurements.json", "sha256", "sha1", "no object 'measurements.sha256'"},
		"no JSON":                          {"measurements.json", "{", "", "measurements.json"},
		"no init-data":                     {"deployment.toml", `"web"`, `"web2"`, "web2.toml"},
		"broken init-data":                 {"out/initdata/db.toml", "0.1.0", "0.2.0", "db.toml"},
		"the same init-data":               {"out/initdata/db.toml", `"db"`, `"web"`, "have the same init-data"},
		"an algorithm PCR 8 does not take": {"out/initdata/db.toml", "sha256", "sha384", "init-data of class 'db', for TEE 'az-snp-vtpm'"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := policyDir(t, good)
			path := filepath.Join(dir, row.file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(text), row.old, row.new, -1)
			if changed == string(text) {
				t.Fatal("the row changes nothing")
			}
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			p := lab.RunCtl(t, 100, dir, "kbs", "generate", "reference-values")
			if !strings.Contains(p.Stderr.String(), row.words) || p.Stdout.String() != "" {
				t.Errorf("%v does not say '%s'", p, row.words)
			}
		})
	}
}

func TestCtlPolicyIsReproducible(t *testing.T) {
	t.Parallel()
	dir := policyDir(t, policyText("trustee-1.1"))
	for _, what := range []string{"resource-policy", "attestation-policy", "reference-values"} {
		if generated(t, dir, what) != generated(t, dir, what) {
			t.Errorf("%s differs from run to run", what)
		}
	}
	lab.RunCtl(t, 100, dir, "kbs", "generate", "policy")
}
