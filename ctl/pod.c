/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing pod manifests. The manifest is the host's to change: nothing in it is trusted, and
 * nothing secret stands in it.
 */
#include "ctl/pod.h"

#include <string.h>

#include "config/config.h"
#include "ctl/guest.h"
#include "ctl/resources.h"
#include "ctl/users.h"
#include "ctl/yaml.h"

#define TEXT_MAX 8192

static int append_security(uint32_t user, uint32_t group, struct buf *out, struct err *err)
{
	if (user > INT32_MAX || group > INT32_MAX)
		return err_set(err, ERR_CONFIG, "%u:%u is no user and group of a pod: Kubernetes takes up to %d", user,
			       group, INT32_MAX);
	return buf_printf(out, err,
			  "    securityContext:\n"
			  "      runAsUser: %u\n"
			  "      runAsGroup: %u\n"
			  "      runAsNonRoot: %s\n"
			  "      allowPrivilegeEscalation: false\n"
			  "      readOnlyRootFilesystem: true\n"
			  "      capabilities:\n"
			  "        drop: [\"ALL\"]\n",
			  user, group, user == 0 ? "false" : "true");
}

static int append_head(const struct deployment *d, const struct deployment_class *class, const struct users *users,
		       struct bytes annotation, struct buf *out, struct err *err)
{
	if (buf_printf(out, err,
		       "# Pod of class \"%s\" of deployment \"%s\".\n"
		       "# Written by sealpodctl: change deployment.toml, then build.\n"
		       "apiVersion: v1\nkind: Pod\nmetadata:\n  name: \"%s-%s\"\n",
		       class->name, d->name, d->name, class->name) < 0 ||
	    yaml_line(out, "  namespace: ", d->pod_namespace, err) < 0 ||
	    buf_append_text(out, "  annotations:\n    io.katacontainers.config.hypervisor.cc_init_data: \"", err) < 0 ||
	    buf_append(out, annotation, err) < 0 || buf_append_text(out, "\"\nspec:\n", err) < 0 ||
	    yaml_line(out, "  runtimeClassName: ", d->runtime_class, err) < 0 ||
	    buf_append_text(
		    out,
		    "  automountServiceAccountToken: false\n"
		    "  # SPIRE's unix attestor must see the workload's process. The agent's user is no workload's.\n"
		    "  shareProcessNamespace: true\n"
		    "  securityContext:\n",
		    err) < 0)
		return -1;
	return buf_printf(out, err, "    fsGroup: %u\n    seccompProfile:\n      type: RuntimeDefault\n", users->group);
}

static int append_install(const struct deployment *d, const struct users *users, struct buf *out, struct err *err)
{
	if (buf_append_text(out, "  initContainers:\n  - name: sealpod-install\n", err) < 0 ||
	    yaml_line(out, "    image: ", d->sealpod_image, err) < 0 ||
	    buf_append_text(out,
			    "    command: [\"/sealpod\", \"install\", \"/opt/sealpod\"]\n"
			    "    volumeMounts:\n"
			    "    - {name: sealpod, mountPath: /opt/sealpod}\n",
			    err) < 0)
		return -1;
	return append_security(users->agent, users->agent, out, err);
}

/* The configuration comes over plain REST, so another program than SPIRE's own image has is to be confirmed. */
static int append_agent_path(const struct deployment *d, struct buf *out, struct err *err)
{
	if (strcmp(d->agent_path, CONFIG_AGENT_PATH) == 0)
		return 0;
	if (buf_append_text(out, "    args:\n    - --agent-path\n", err) < 0)
		return -1;
	return yaml_line(out, "    - ", d->agent_path, err);
}

static int append_agent(const struct deployment *d, const struct deployment_class *class, const struct users *users,
			struct buf *out, struct err *err)
{
	OWNED_BUF struct buf image = BUF_INIT(TEXT_MAX);
	struct resource config;
	resource_of_class(d, class, RESOURCE_CONFIG, &config);
	if ((d->agent_image ? buf_append_text(&image, d->agent_image, err)
			    : buf_printf(&image, err, "ghcr.io/spiffe/spire-agent:%s", d->spire_version)) < 0 ||
	    buf_append_text(out, "  - name: spire-agent\n    restartPolicy: Always\n", err) < 0 ||
	    yaml_line(out, "    image: ", buf_text(&image), err) < 0 ||
	    buf_printf(out, err,
		       "    command: [\"/opt/sealpod/sealpod\", \"run\", \"--supervise\", \"--config\", "
		       "\"kbs:///%s\"]\n",
		       config.path) < 0 ||
	    append_agent_path(d, out, err) < 0 ||
	    buf_append_text(out,
			    "    startupProbe:\n"
			    "      exec:\n"
			    "        command: " GUEST_AGENT_PROBE "\n"
			    "      periodSeconds: 1\n      failureThreshold: 300\n"
			    "    volumeMounts:\n"
			    "    - {name: sealpod, mountPath: /opt/sealpod, readOnly: true}\n"
			    "    - {name: agent-run, mountPath: " GUEST_RUNTIME_DIR "}\n"
			    "    - {name: agent-socket, mountPath: " GUEST_SOCKET_DIR "}\n",
			    err) < 0)
		return -1;
	return append_security(users->agent, users->agent, out, err);
}

/* As the workload: it is given what that would be given, and its files are that one's alone. */
static int append_svid(const struct deployment *d, const struct users *users, struct buf *out, struct err *err)
{
	if (buf_append_text(out, "  - name: svid\n    restartPolicy: Always\n", err) < 0 ||
	    yaml_line(out, "    image: ", d->sealpod_image, err) < 0 ||
	    buf_append_text(out,
			    "    command: [\"/sealpod\", \"svid\", \"--directory\", \"/svids\"]\n"
			    "    env:\n"
			    "    - {name: SPIFFE_ENDPOINT_SOCKET, value: \"unix://" GUEST_SOCKET_DIR "/api.sock\"}\n"
			    "    startupProbe:\n"
			    "      exec:\n"
			    "        command: " GUEST_SVID_PROBE "\n"
			    "      periodSeconds: 1\n      failureThreshold: 300\n"
			    "    volumeMounts:\n"
			    "    - {name: agent-socket, mountPath: " GUEST_SOCKET_DIR ", readOnly: true}\n"
			    "    - {name: svids, mountPath: /svids}\n",
			    err) < 0)
		return -1;
	return append_security(users->workload, users->group, out, err);
}

static int append_workload(const struct deployment_class *class, const struct users *users, struct buf *out,
			   struct err *err)
{
	OWNED_BUF struct buf image = BUF_INIT(TEXT_MAX);
	if ((class->image ? buf_append_text(&image, class->image, err)
			  : buf_printf(&image, err, "registry.example.org/%s:latest", class->name)) < 0 ||
	    buf_append_text(out, "  containers:\n  - name: workload\n", err) < 0 ||
	    yaml_line(out, "    image: ", buf_text(&image), err) < 0 ||
	    buf_append_text(out,
			    "    volumeMounts:\n"
			    "    - {name: svids, mountPath: /svids, readOnly: true}\n",
			    err) < 0)
		return -1;
	return append_security(users->workload, users->group, out, err);
}

int pod_manifest(const struct deployment *deployment, const struct deployment_class *class, struct bytes annotation,
		 struct buf *out, struct err *err)
{
	struct users users;
	users_of(deployment, class, &users);
	if (append_head(deployment, class, &users, annotation, out, err) < 0 ||
	    append_install(deployment, &users, out, err) < 0 || append_agent(deployment, class, &users, out, err) < 0 ||
	    append_svid(deployment, &users, out, err) < 0 || append_workload(class, &users, out, err) < 0)
		return err_wrap(err, "class '%s'", class->name);
	return buf_append_text(out,
			       "  # In memory: they hold a program, keys and sockets.\n"
			       "  volumes:\n"
			       "  - {name: sealpod, emptyDir: {medium: Memory, sizeLimit: 16Mi}}\n"
			       "  - {name: agent-run, emptyDir: {medium: Memory, sizeLimit: 16Mi}}\n"
			       "  - {name: agent-socket, emptyDir: {medium: Memory, sizeLimit: 1Mi}}\n"
			       "  - {name: svids, emptyDir: {medium: Memory, sizeLimit: 4Mi}}\n",
			       err);
}
