/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports through configfs-tsm.
 *
 * The kernel is the guest's own; the report and the certificates are whatever the
 * host's side answered. Must never take a report that was made over somebody
 * else's input, and never leave an instance behind.
 */
#include "attest/tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define TSM_DIR "/sys/kernel/config/tsm/report"

#define REMOVAL_MS 2000 /* how long a removal that fails is tried again, every … */
#define REMOVAL_PAUSE_MS 50

/* An instance, removed at the end of its scope. */
struct instance {
	char name[TSM_INSTANCE_MAX];
	int parent;
	int dir;
};

static bool passes(int number)
{
	return number == EBUSY || number == EINTR || number == EAGAIN;
}

/* 0 if it is gone, or the errno of the last try. */
static int remove_from(int parent, const char *name)
{
	const struct deadline deadline = deadline_in(REMOVAL_MS);
	while (unlinkat(parent, name, AT_REMOVEDIR) < 0) {
		int why = errno;
		if (why == ENOENT)
			return 0;
		if (!passes(why) || !clock_pause(REMOVAL_PAUSE_MS, &deadline))
			return why;
	}
	return 0;
}

static void instance_done(struct instance *instance)
{
	cleanup_fd(&instance->dir);
	if (instance->parent >= 0 && instance->name[0]) {
		int why = remove_from(instance->parent, instance->name);
		if (why)
			log_warning("'" TSM_DIR "/%s' cannot be removed: %s", instance->name, strerror(why));
	}
	cleanup_fd(&instance->parent);
}

#define OWNED_INSTANCE CLEANUP(instance_done)
#define INSTANCE_INIT                                                                                                  \
	{                                                                                                              \
		.parent = -1, .dir = -1                                                                                \
	}

static int cannot_make(int number, struct err *err)
{
	if (number == ENXIO)
		return err_set_errno(err, ERR_NO_TEE, number, "'" TSM_DIR "': no TEE's driver is behind it");
	if (passes(number))
		return err_set_errno(err, ERR_DEVICE, number, "'" TSM_DIR "': cannot make an instance now");
	return err_set_errno(err, ERR_SYSTEM, number, "'" TSM_DIR "': cannot make an instance (is sealpod root?)");
}

/* An instance of that name is what is left of an earlier one of ours: nobody else knows the name. */
static int make_in(int parent, const char *name, struct err *err)
{
	if (mkdirat(parent, name, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return cannot_make(errno, err);
	int why = remove_from(parent, name);
	if (why)
		return err_set_errno(err, ERR_DEVICE, why, "'" TSM_DIR "/%s', left from before, cannot be removed",
				     name);
	return mkdirat(parent, name, 0700) == 0 ? 0 : cannot_make(errno, err);
}

/* Only where it does not exist is it absent: what fails may well be a TEE's. */
static int instance_make(const char *name, struct instance *instance, struct err *err)
{
	instance->parent = open(TSM_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (instance->parent < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set_errno(err, ERR_NO_TEE, errno, "no configfs-tsm at '" TSM_DIR "'");
	if (instance->parent < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "'" TSM_DIR "': cannot open it");
	if (make_in(instance->parent, name, err) < 0)
		return -1;
	(void)stpncpy(instance->name, name, sizeof(instance->name) - 1); /* the last byte stays zero */
	instance->dir = openat(instance->parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (instance->dir < 0)
		return err_set_errno(err, passes(errno) ? ERR_DEVICE : ERR_SYSTEM, errno,
				     "'" TSM_DIR "/%s': cannot open it", name);
	return 0;
}

/* A text attribute without its line end; *ret_there is false where the attribute does not exist. */
static int read_text(const struct instance *instance, const char *name, char *out, size_t size, bool *ret_there,
		     struct err *err)
{
	*ret_there = false;
	int fd OWNED_FD = openat(instance->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
	if (n < 0)
		return err_set_errno(err, passes(errno) ? ERR_DEVICE : ERR_SYSTEM, errno,
				     "configfs-tsm: cannot read '%s'", name);
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == 0))
		n--;
	out[n] = 0;
	*ret_there = true;
	return 0;
}

static int read_number(const struct instance *instance, const char *name, uint64_t *ret_number, struct err *err)
{
	char text[32] = "";
	bool there;
	uint64_t number = 0;
	size_t i = 0;
	if (read_text(instance, name, text, sizeof(text), &there, err) < 0)
		return -1;
	for (; text[i] >= '0' && text[i] <= '9' && i < 19; i++)
		number = number * 10 + (uint64_t)(text[i] - '0');
	if (i == 0 || text[i])
		return err_set(err, ERR_SYSTEM, "configfs-tsm: '%s' says '%s', which is no number", name, text);
	*ret_number = number;
	return 0;
}

/* One write(2), then close(2): the kernel takes the value at the latter. */
static int write_attribute(const struct instance *instance, const char *name, struct bytes value, struct err *err)
{
	int fd OWNED_FD = openat(instance->dir, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, passes(errno) ? ERR_DEVICE : ERR_SYSTEM, errno,
				     "configfs-tsm: cannot open '%s'", name);
	ssize_t n;
	do {
		n = write(fd, value.data, value.len);
	} while (n < 0 && errno == EINTR);
	int why = n < 0 ? errno : EIO;
	bool whole = n == (ssize_t)value.len;
	if (whole && close(TAKE_FD(fd)) < 0) {
		why = errno;
		whole = false;
	}
	if (whole)
		return 0;
	return err_set_errno(err, passes(why) ? ERR_DEVICE : ERR_SYSTEM, why, "configfs-tsm: '%s' is refused", name);
}

/* What the kernel's errors while it makes a report mean, and whether another try may help. */
static const struct {
	int number;
	enum err_code code;
	const char *text;
} report_errors[] = {
	{ EBUSY, ERR_DEVICE, "the host still owns an earlier request" },
	{ EINTR, ERR_DEVICE, "the request was interrupted" },
	{ ETIMEDOUT, ERR_DEVICE, "the host did not answer in time" },
	{ EIO, ERR_DEVICE, "the request to the host failed" },
	{ EAGAIN, ERR_DEVICE, "the report is not ready" },
	{ EINVAL, ERR_SYSTEM,
	  "the TEE refuses the request (privilege level below the kernel's, or input of the wrong length)" },
	{ ENXIO, ERR_SYSTEM, "the TEE's firmware reports a failure, or its driver is gone" },
	{ ENOTTY, ERR_SYSTEM,
	  "the kernel has given up its key to the TEE's firmware after an earlier failure: restart the VM" },
	{ EFBIG, ERR_SYSTEM, "the report is larger than the kernel takes" },
};

static int report_error(const char *name, int number, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(report_errors); i++)
		if (report_errors[i].number == number)
			return err_set_errno(err, report_errors[i].code, number, "configfs-tsm: '%s': %s", name,
					     report_errors[i].text);
	return err_set_errno(err, ERR_SYSTEM, number, "configfs-tsm: cannot read '%s'", name);
}

/* The first read(2) of a descriptor makes the report; an interrupted one has made none. */
static int read_blob(const struct instance *instance, const char *name, struct buf *out, struct err *err)
{
	uint8_t chunk[4096];
	int fd OWNED_FD = openat(instance->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return report_error(name, errno, err);
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0)
			return report_error(name, errno, err);
		if (n == 0)
			return 0;
		if (buf_append(out, bytes_of(chunk, (size_t)n), err) < 0)
			return err_wrap(err, "configfs-tsm: '%s'", name);
	}
}

/* A kernel that does not run at the highest privilege cannot ask for its reports. */
static int raise_privlevel(const struct instance *instance, unsigned *writes, struct err *err)
{
	char text[32];
	bool there;
	if (read_text(instance, "privlevel_floor", text, sizeof(text), &there, err) < 0)
		return -1;
	if (!there || strcmp(text, "0") == 0)
		return 0;
	(*writes)++;
	return write_attribute(instance, "privlevel", bytes_of_text(text), err);
}

static int check_provider(const struct instance *instance, const char *provider, struct err *err)
{
	char text[TSM_PROVIDER_MAX] = "";
	bool there;
	if (read_text(instance, "provider", text, sizeof(text), &there, err) < 0)
		return -1;
	if (strcmp(text, provider) != 0)
		return err_set(err, ERR_NO_TEE, "configfs-tsm: the provider is '%s', not '%s'", text, provider);
	return 0;
}

static int confirm(const struct instance *instance, uint64_t wanted, const char *when, struct err *err)
{
	uint64_t now;
	if (read_number(instance, "generation", &now, err) < 0)
		return -1;
	if (now < wanted)
		return err_set(err, ERR_SYSTEM,
			       "configfs-tsm: the kernel did not take what was written (generation %llu %s, not %llu)",
			       (unsigned long long)now, when, (unsigned long long)wanted);
	if (now > wanted)
		return err_set(err, ERR_DEVICE,
			       "configfs-tsm: somebody else wrote to our instance (generation %llu %s, not %llu): the "
			       "report is discarded",
			       (unsigned long long)now, when, (unsigned long long)wanted);
	return 0;
}

static int ask(const struct instance *instance, const struct report_data *data, struct buf *outblob,
	       struct buf *auxblob, struct err *err)
{
	uint64_t before;
	unsigned writes = 1;
	if (read_number(instance, "generation", &before, err) < 0 || raise_privlevel(instance, &writes, err) < 0 ||
	    write_attribute(instance, "inblob", bytes_of(data->bytes, sizeof(data->bytes)), err) < 0 ||
	    confirm(instance, before + writes, "after writing", err) < 0 ||
	    read_blob(instance, "outblob", outblob, err) < 0)
		return -1;
	if (outblob->len == 0)
		return err_set(err, ERR_DEVICE,
			       "configfs-tsm: the report is empty: the host's quoting service is not reachable");
	if (faccessat(instance->dir, "auxblob", F_OK, 0) == 0 && read_blob(instance, "auxblob", auxblob, err) < 0)
		return -1;
	return confirm(instance, before + writes, "after reading", err);
}

int tsm_probe(const char *instance, char ret_provider[static TSM_PROVIDER_MAX], struct err *err)
{
	struct instance made OWNED_INSTANCE = INSTANCE_INIT;
	char text[TSM_PROVIDER_MAX];
	bool there;
	if (instance_make(instance, &made, err) < 0 ||
	    read_text(&made, "provider", text, sizeof(text), &there, err) < 0)
		return -1;
	if (!there || !text[0])
		return err_set(err, ERR_NO_TEE, "configfs-tsm does not say whose reports it gives");
	(void)snprintf(ret_provider, TSM_PROVIDER_MAX, "%s", text);
	return 0;
}

int tsm_report(const char *instance, const char *provider, const struct report_data *data, struct buf *ret_outblob,
	       struct buf *ret_auxblob, struct err *err)
{
	struct instance made OWNED_INSTANCE = INSTANCE_INIT;
	struct buf outblob OWNED_BUF = BUF_INIT(ret_outblob->max);
	struct buf auxblob OWNED_BUF = BUF_INIT(ret_auxblob->max);
	if (instance_make(instance, &made, err) < 0 || check_provider(&made, provider, err) < 0 ||
	    ask(&made, data, &outblob, &auxblob, err) < 0)
		return -1;
	buf_move(ret_outblob, &outblob);
	buf_move(ret_auxblob, &auxblob);
	return 0;
}

bool tsm_remove(const char *instance)
{
	int parent OWNED_FD = open(TSM_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int why = parent >= 0 ? remove_from(parent, instance) : 0;
	if (why)
		log_warning("'" TSM_DIR "/%s' is left behind: %s", instance, strerror(why));
	return why == 0;
}
