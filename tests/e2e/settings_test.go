// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealpod.test/e2e/lab"
)

// Every setting that sealpod passes on, as the real agent of that version takes
// it: it refuses to start on what it does not know.
func TestRealAgentTakesEverySetting(t *testing.T) {
	t.Parallel()
	f := lab.NewFixture(t, lab.FixtureOptions{RealAgent: true})
	port := lab.ReservePort(t)
	admin := filepath.Join(f.Dir, "private", "admin.sock")
	f.Config.AgentVersion, f.Config.AdminSocketPath = "1.15.2", admin
	f.Config.Settings = fmt.Sprintf(`
log_level = "DEBUG"
log_format = "json"
log_source_location = true
log_selectors = ["uid"]
workload_x509_svid_key_type = "ec-p384"
availability_target = "48h"
x509_svid_cache_max_size = 500
jwt_svid_cache_max_size = 500
allow_unauthenticated_verifiers = true
allowed_foreign_jwt_claims = ["aud"]
authorized_delegates = ["spiffe://%s/delegate"]
profiling_enabled = false
profiling_port = 6060
profiling_freq = 60
profiling_names = ["heap"]
[agent.settings.sds]
default_svid_name = "svid"
default_bundle_name = "bundle"
default_all_bundles_name = "all"
disable_spiffe_cert_validation = false
[agent.settings.experimental]
sync_interval = "1s"
jwt_svid_cache_hit_timeout = "10s"
use_sync_authorized_entries = true
require_pq_kem = false
feature_flags = []
[agent.settings.experimental.ratelimit]
fetch_x509_svid = 100
fetch_jwt_svid = 100
fetch_x509_bundles = 100
fetch_jwt_bundles = 100
stream_secrets = 100
fetch_secrets = 100
[agent.health_checks]
listener_enabled = true
bind_address = "127.0.0.1"
bind_port = %d
live_path = "/alive"
ready_path = "/ready"
[agent.unix]
discover_workload_path = true
workload_size_limit = -1
`, lab.TrustDomain, port)
	p, id := startAgent(t, f)
	lab.FetchID(t, f.Socket, workloadUID, id, 15*time.Second)
	lab.Eventually(t, 15*time.Second, "the health check answers 200", func() (bool, string) {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/alive", port))
		if err != nil {
			return false, err.Error()
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK, answer.Status
	})
	if info, err := os.Stat(admin); err != nil || info.Mode().Type() != os.ModeSocket {
		t.Errorf("admin socket: %v, %v", info, err)
	}
	if log := p.Stdout.String() + p.Stderr.String(); !strings.Contains(log, `"level":"debug"`) {
		t.Errorf("the agent does not log as it was told:\n%s", log)
	}
}
