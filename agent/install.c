/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod install DIRECTORY`: copies this program into a directory, so that an init
 * container can hand it to the container of the stock agent. Needs no privilege.
 *
 * The directory comes from a manifest. Must not leave a half-written program
 * under its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/cli.h"
#include "base/file.h"
#include "base/log.h"

#define PROGRAM_MAX (64u * 1024u * 1024u)

int verb_install(const struct cli_options *options, struct err *err)
{
	struct buf program OWNED_BUF = BUF_INIT(PROGRAM_MAX);
	struct file_owner self = { .uid = geteuid(), .gid = getegid() };
	int dir OWNED_FD = open(options->operand, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set_errno(err, ERR_USAGE, errno, "cannot open directory '%s'", options->operand);
	if (file_read(AT_FDCWD, "/proc/self/exe", &program, err) < 0)
		return -1;
	if (file_replace(dir, "sealpod", buf_bytes(&program), 0755, self, err) < 0)
		return err_wrap(err, "'%s'", options->operand);
	log_info("installed as '%s/sealpod'", options->operand);
	return 0;
}
