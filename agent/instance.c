/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instance's name.
 *
 * REPORT_ID is the firmware's, also where the report is the paravisor's: unique to this launch of this guest, and no
 * host can choose it. A kept name lies in the private memory directory, where another process of our own user could
 * change it: it would only rename us.
 */
#include "agent/instance.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "attest/hcl.h"
#include "attest/snp_report.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/random.h"
#include "spire/mint.h"

#define RANDOM_DIGITS 33 /* with the NUL */

/* The SNP report in what the attester gathered: the whole of it, or within the paravisor's; empty where there is none.
 */
static int find_snp_report(const char *tee, const struct buf *raw, struct bytes *ret_report, struct err *err)
{
	struct hcl_report hcl;
	*ret_report = bytes_of("", 0);
	if (strcmp(tee, "snp") == 0)
		*ret_report = buf_bytes(raw);
	if (strcmp(tee, "az-snp-vtpm") != 0)
		return 0;
	if (hcl_read(buf_bytes(raw), &hcl, err) < 0)
		return -1;
	*ret_report = hcl.hardware;
	return 0;
}

static int by_report(struct bytes raw, char *ret_name, struct err *err)
{
	struct snp_report report;
	struct buf hex OWNED_BUF = BUF_INIT(INSTANCE_NAME_MAX);
	if (snp_report_read(raw, &report, err) < 0 ||
	    hex_encode(bytes_of(report.report_id, sizeof(report.report_id)), &hex, err) < 0)
		return -1;
	memcpy(ret_name, buf_text(&hex), hex.len + 1);
	return 0;
}

/* A name that was kept, if it is one. */
static bool read_kept(int dir, char *ret_name)
{
	struct buf text OWNED_BUF = BUF_INIT(INSTANCE_NAME_MAX - 1);
	if (file_read(dir, INSTANCE_FILE, &text, NULL) < 0 || spire_mint_name_check(buf_text(&text), NULL) < 0)
		return false;
	memcpy(ret_name, buf_text(&text), strlen(buf_text(&text)) + 1);
	return true;
}

static int kept(const char *runtime_dir, char *ret_name, struct err *err)
{
	struct file_owner self = { .uid = geteuid(), .gid = getegid() };
	int dir OWNED_FD = open(runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot open '%s'", runtime_dir);
	if (read_kept(dir, ret_name))
		return 0;
	random_name(ret_name, RANDOM_DIGITS);
	return file_replace(dir, INSTANCE_FILE, bytes_of_text(ret_name), 0600, self, err);
}

int instance_name(const struct buf *report, const char *tee, const char *runtime_dir,
		  char ret_name[static INSTANCE_NAME_MAX], struct err *err)
{
	struct bytes snp;
	if (report->len > 0 && find_snp_report(tee, report, &snp, err) < 0)
		return -1;
	return report->len > 0 && snp.len > 0 ? by_report(snp, ret_name, err) : kept(runtime_dir, ret_name, err);
}
