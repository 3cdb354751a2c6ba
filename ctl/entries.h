/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registration entries of a deployment: for each class a node alias, which stands for all agents
 * whose certificate the class's issuer signed, and its workloads under it. Where a leaf below the root is fetched there
 * is one agent, and the workloads are under that: what an alias could select of such a leaf, each issuer below the same
 * root could forge.
 *
 * Their ids are "NAME.CLASS.node.HASH" and "NAME.CLASS.work.HASH", the hash being over what the server
 * knows an entry by (parent, SPIFFE ID, selectors). So the id says whose an entry is; the same file always gives the
 * same ids; and an entry that changes in its key is a new one, which exists before the old one goes.
 */
#ifndef SEALPOD_CTL_ENTRIES_H
#define SEALPOD_CTL_ENTRIES_H

#include "base/clock.h"
#include "base/sheet.h"
#include "ctl/deployment.h"
#include "spire/entry.h"

#define ENTRIES_TEXT_MAX (16u << 20)

/* Makes the entries out of the deployment and OUT/x509pop/<class>.pem, while a rotation is under way out of
 * OUT/x509pop-previous/<class>.pem too. Sorted by id. */
int entries_generate(const struct deployment *deployment, const char *out, struct spire_entries *ret_entries,
		     struct err *err) WARN_UNUSED;

/* What `spire-server entry create -data` takes. */
int entries_data(const struct spire_entries *entries, struct buf *text, struct err *err) WARN_UNUSED;

/* ClusterStaticEntry manifests of spire-controller-manager, one YAML document each. */
int entries_manifests(const struct deployment *deployment, const struct spire_entries *entries, struct buf *text,
		      struct err *err) WARN_UNUSED;

/* Is this the id of an entry that a deployment of this name made? */
bool entries_is_ours(const char *name, const char *id);

enum entries_what {
	ENTRIES_CREATE,
	ENTRIES_UPDATE,	  /* it is there under the same id with the same key; the rest differs */
	ENTRIES_LEFT,	  /* carries our prefix and is not wanted: for --prune */
	ENTRIES_CONFLICT, /* somebody else's entry has the key and says something else */
};

struct entries_change {
	enum entries_what what;
	const struct spire_entry *wanted; /* NULL for ENTRIES_LEFT */
	const struct spire_entry *found;  /* NULL for ENTRIES_CREATE */
};

/* Borrows from both lists. */
struct entries_plan {
	struct entries_change *changes;
	size_t count;
	size_t counts[4]; /* by enum entries_what */
	size_t same;
	size_t foreign; /* entries of others; none of them is ever touched */
};

void entries_plan_done(struct entries_plan *plan);
#define OWNED_PLAN CLEANUP(entries_plan_done)

/* What there is against what is wanted. An entry of somebody else that has a wanted one's key and says the same
 * counts as it. Both lists are put in order. */
int entries_compare(const char *name, struct spire_entries *wanted, struct spire_entries *found,
		    struct entries_plan *ret_plan, struct err *err) WARN_UNUSED;

/* Is there something to do, or in the way? What is left over counts with `prune` alone. */
bool entries_plan_differs(const struct entries_plan *plan, bool prune);

/* Rows of one entry. */
void entries_show(const struct spire_entry *entry, struct sheet *sheet);

/* Rows for people and machines: a section "entries". */
void entries_plan_show(const struct entries_plan *plan, struct sheet *sheet);

struct spire_server;

/* The server that the deployment's spire.api names; ERR_CONFIG where it names none. That it serves the deployment's
 * trust domain is asked first. */
int entries_server_open(const struct deployment *deployment, const struct deadline *deadline,
			struct spire_server **ret_server, struct err *err) WARN_UNUSED;

/* Makes it so, in pages, new entries before old ones go; with `prune` what is left over is deleted. A server that goes
 * away is tried again until its deadline; what was done stays done, and doing it again does nothing. A conflict or a
 * refused entry is logged, the others are made all the same, and it fails at the end. */
int entries_apply(struct spire_server *server, const struct entries_plan *plan, bool prune,
		  struct err *err) WARN_UNUSED;

#endif
