/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting the agent's files in place.
 *
 * The paths come from the configuration, the contents from the worker. The key is
 * in a sealed memory file that never gets a name; only for an agent that is
 * supervised the kernel copies it to a file in memory. Must
 * not leave a half-made directory under its final name, nor anything after a failure.
 */
#include "agent/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/instance.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

/* Where the new directory is made, and where the one before it lies after the switch: until the next start, for
 * an exec that fails puts it back. */
#define SPARE_DIR ".agent.spare"

static struct file_owner owner_of(const struct handoff_plan *plan)
{
	return (struct file_owner){ .uid = plan->uid, .gid = plan->gid };
}

/* How many components at the end of the path do not exist yet. */
static unsigned count_missing(const char *path)
{
	char part[PATH_MAX];
	unsigned missing = 0;
	(void)snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strrchr(part, '/'); access(part, F_OK) < 0 && slash && slash != part;
	     slash = strrchr(part, '/')) {
		if (slash[1] != 0)
			missing++;
		*slash = 0;
	}
	return missing + (access(part, F_OK) < 0 ? 1 : 0);
}

static void remove_made(const char *path, unsigned count)
{
	char part[PATH_MAX];
	(void)snprintf(part, sizeof(part), "%s", path);
	for (unsigned i = 0; i < count; i++) {
		if (rmdir(part) < 0)
			return; /* somebody uses it by now */
		char *slash = strrchr(part, '/');
		if (!slash || slash == part)
			return;
		*slash = 0;
	}
}

int place_open(const struct handoff_plan *plan, struct place *place, struct err *err)
{
	place->made_runtime = count_missing(plan->runtime_dir);
	if (file_open_dir(plan->runtime_dir, 0755, &place->runtime_fd, err) < 0)
		return err_wrap(err, "agent.runtime_dir");
	if (place->made_runtime > 0)
		(void)fchmod(place->runtime_fd, 0755); /* our umask is 077, and the agent's user must pass */
	if (file_is_memory(place->runtime_fd))
		return 0;
	if (plan->supervise || !plan->allow_disk)
		return err_set(
			err, ERR_CONFIG,
			"agent.runtime_dir '%s' is not on a memory file system (tmpfs, ramfs): mount one there%s",
			plan->runtime_dir, plan->supervise ? "" : ", or set 'allow_disk = true' and know why");
	log_warning("agent.runtime_dir '%s' is not on a memory file system; 'allow_disk' lets that pass",
		    plan->runtime_dir);
	return 0;
}

/* The content of a sealed memory file; the kernel copies it. */
static int copy_file(int memfd, int dirfd, const char *name, struct file_owner owner, struct err *err)
{
	return file_replace_from(dirfd, name, memfd, 0400, owner, err);
}

static int make_dir(int parent, const char *name, struct file_owner owner, int *ret_fd, struct err *err)
{
	if (mkdirat(parent, name, 0700) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot create directory '%s'", name);
	int fd OWNED_FD = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot open directory '%s'", name);
	bool ours = owner.uid == geteuid() && owner.gid == getegid();
	if (!ours && fchown(fd, owner.uid, owner.gid) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot give directory '%s' to uid %u, gid %u", name,
				     owner.uid, owner.gid);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int fill_dir(const struct handoff_plan *plan, const struct handoff_files *files, int parent, struct err *err)
{
	int dir OWNED_FD = -1;
	int data OWNED_FD = -1;
	struct file_owner owner = owner_of(plan);
	if (make_dir(parent, SPARE_DIR, owner, &dir, err) < 0 || make_dir(dir, PLACE_DATA, owner, &data, err) < 0 ||
	    copy_file(files->agent_config, dir, PLACE_CONFIG, owner, err) < 0 ||
	    (plan->supervise && copy_file(files->credential, dir, PLACE_CREDENTIAL, owner, err) < 0))
		return -1;
	return copy_file(files->bundle, dir, PLACE_BUNDLE, owner, err);
}

static int open_placed(const struct place *place, int *ret_fd, struct err *err)
{
	*ret_fd = openat(place->runtime_fd, PLACE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? err_set_errno(err, ERR_SYSTEM, errno, "cannot open directory '" PLACE_DIR "'") : 0;
}

int place_fresh_data(const struct handoff_plan *plan, const struct place *place, struct err *err)
{
	int dir OWNED_FD = -1;
	int data OWNED_FD = -1;
	if (open_placed(place, &dir, err) < 0 || file_remove_tree(dir, PLACE_DATA, err) < 0 ||
	    make_dir(dir, PLACE_DATA, owner_of(plan), &data, err) < 0)
		return err_wrap(err, "'%s'", plan->runtime_dir);
	return 0;
}

int place_renewed(const struct handoff_plan *plan, const struct handoff_files *files, const struct place *place,
		  struct err *err)
{
	int dir OWNED_FD = -1;
	struct file_owner owner = owner_of(plan);
	if (open_placed(place, &dir, err) < 0 || copy_file(files->bundle, dir, PLACE_BUNDLE, owner, err) < 0 ||
	    copy_file(files->credential, dir, PLACE_CREDENTIAL, owner, err) < 0)
		return err_wrap(err, "'%s'", plan->runtime_dir);
	return 0;
}

/* The directory that a socket will be in, owned by the agent's user if we had to create it. */
static int make_socket_dir(const struct handoff_plan *plan, const char *socket, unsigned *made, struct err *err)
{
	char dir[PATH_MAX];
	int fd OWNED_FD = -1;
	(void)snprintf(dir, sizeof(dir), "%s", socket);
	char *slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = 0;
	*made = count_missing(dir);
	mode_t old = umask(022); /* workloads must reach the socket */
	int rc = file_open_dir(dir, 0755, &fd, err);
	(void)umask(old);
	if (rc < 0)
		return err_wrap(err, "directory of the agent's socket");
	if (*made > 0 && plan->uid != geteuid() && fchown(fd, plan->uid, plan->gid) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot give '%s' to uid %u", dir, plan->uid);
	return 0;
}

/* The new directory takes the name, the old one goes where the new one was made. */
static int exchange_dirs(const struct place *place)
{
	const unsigned exchange = 1u << 1; /* RENAME_EXCHANGE */
	return (int)syscall(SYS_renameat2, place->runtime_fd, SPARE_DIR, place->runtime_fd, PLACE_DIR, exchange);
}

static int switch_dirs(struct place *place, struct err *err)
{
	place->had_old = exchange_dirs(place) == 0;
	if (!place->had_old) {
		/* None is there, or the file system cannot exchange. */
		if (file_remove_tree(place->runtime_fd, PLACE_DIR, err) < 0)
			return -1;
		if (renameat(place->runtime_fd, SPARE_DIR, place->runtime_fd, PLACE_DIR) < 0)
			return err_set_errno(err, ERR_SYSTEM, errno, "cannot put directory '" PLACE_DIR "' in place");
	}
	place->placed = true;
	/* A supervised start that is dead (we hold the lock) may have left its credential. */
	if (faccessat(place->runtime_fd, SPARE_DIR "/" PLACE_CREDENTIAL, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		place->had_old = false;
		return file_remove_tree(place->runtime_fd, SPARE_DIR, err);
	}
	return 0;
}

int place_lock(const struct handoff_plan *plan, struct place *place, struct err *err)
{
	place->locked = flock(place->runtime_fd, LOCK_EX | LOCK_NB) == 0;
	if (place->locked)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(err, ERR_SYSTEM,
			       "another sealpod starts or supervises an agent in agent.runtime_dir '%s': give each a "
			       "directory of its own",
			       plan->runtime_dir);
	return err_set_errno(err, ERR_SYSTEM, errno, "cannot lock agent.runtime_dir '%s'", plan->runtime_dir);
}

int place_files(const struct handoff_plan *plan, const struct handoff_files *files, struct place *place,
		struct err *err)
{
	if (file_remove_tree(place->runtime_fd, SPARE_DIR, err) < 0 ||
	    fill_dir(plan, files, place->runtime_fd, err) < 0 || switch_dirs(place, err) < 0)
		return err_wrap(err, "'%s'", plan->runtime_dir);
	if (make_socket_dir(plan, plan->socket_path, &place->made_socket, err) < 0)
		return -1;
	if (plan->admin_socket_path[0] == 0)
		return 0;
	return make_socket_dir(plan, plan->admin_socket_path, &place->made_admin_socket, err);
}

static void remove_socket_dir(const char *socket, unsigned made)
{
	char dir[PATH_MAX];
	(void)snprintf(dir, sizeof(dir), "%s", socket);
	char *slash = strrchr(dir, '/');
	if (!slash)
		return;
	*slash = 0;
	remove_made(dir, made);
}

void place_undo(const struct handoff_plan *plan, struct place *place)
{
	struct err err = { 0 };
	if (place->runtime_fd < 0)
		return;
	remove_socket_dir(plan->admin_socket_path, place->made_admin_socket);
	remove_socket_dir(plan->socket_path, place->made_socket);
	bool restored = place->had_old && exchange_dirs(place) == 0;
	if ((place->placed && !restored && file_remove_tree(place->runtime_fd, PLACE_DIR, &err) < 0) ||
	    (place->locked && file_remove_tree(place->runtime_fd, SPARE_DIR, &err) < 0))
		log_warning("cannot clean up in '%s': %s", plan->runtime_dir, err.message);
	if (place->made_runtime > 0 && !place->placed) /* then so is the name that a minted credential kept */
		(void)unlinkat(place->runtime_fd, INSTANCE_FILE, 0);
	cleanup_fd(&place->runtime_fd);
	remove_made(plan->runtime_dir, place->made_runtime);
	*place = (struct place)PLACE_INIT;
}
