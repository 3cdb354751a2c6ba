/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MRCONFIGID out of the guest's own kernel.
 *
 * Kernel and TDX module are measured; what they say here is as good as they are, and is
 * used to tell people, never to let something pass. Must never make the host do work.
 */
#include "attest/tdx_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "attest/tdreport.h"
#include "base/cleanup.h"
#include "base/file.h"

/* <linux/tdx-guest.h>, which musl has not. */
struct report_request {
	uint8_t report_data[REPORT_DATA_LEN];
	uint8_t report[TDREPORT_LEN];
};

#define GET_REPORT0 _IOWR('T', 1, struct report_request)

#ifdef __GLIBC__
typedef unsigned long ioctl_command;
#else
typedef int ioctl_command;
#endif

static int out_of_sysfs(struct buf *ret_register, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(TD_MR_LEN);
	if (file_read(AT_FDCWD, TDX_MEASUREMENTS "/mrconfigid", &text, err) < 0)
		return -1;
	if (text.len != TD_MR_LEN)
		return err_set(err, ERR_DEVICE, "'" TDX_MEASUREMENTS "/mrconfigid' has %zu bytes, not %d", text.len,
			       TD_MR_LEN);
	return buf_append(ret_register, buf_bytes(&text), err);
}

static int out_of_tdreport(struct buf *ret_register, struct err *err)
{
	struct report_request request = { { 0 }, { 0 } };
	struct tdreport report;
	int fd OWNED_FD = open(TDX_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, (ioctl_command)GET_REPORT0, &request) < 0)
		return err_set_errno(err, ERR_DEVICE, errno, "no TDREPORT from '" TDX_DEVICE "'");
	if (tdreport_read(bytes_of(request.report, sizeof(request.report)), &report, err) < 0)
		return err_wrap(err, "'" TDX_DEVICE "'");
	return buf_append(ret_register, bytes_of(report.td.mrconfigid, TD_MR_LEN), err);
}

int tdx_guest_mrconfigid(struct buf *ret_register, struct err *err)
{
	struct err no_sysfs = { 0 };
	struct err no_report = { 0 };
	if (out_of_sysfs(ret_register, &no_sysfs) == 0 || out_of_tdreport(ret_register, &no_report) == 0)
		return 0;
	return err_set(err, ERR_DEVICE, "%s; %s", no_report.message, no_sysfs.message);
}
