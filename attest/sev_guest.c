/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEV-SNP reports through /dev/sev-guest.
 *
 * The firmware's answer passes the host as ciphertext, the certificates are the
 * host's own words. Must never use a report without reading the status in front of
 * it, and never repeat a request after ENOTTY: the kernel's key is gone then.
 */
#include "attest/sev_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The kernel's structures, by their sizes in the header: 32, 96, 112 and 4000 bytes. */
struct guest_request {
	uint8_t msg_version;
	uint8_t pad[7];
	uint64_t req_data;
	uint64_t resp_data;
	uint32_t fw_error;
	uint32_t vmm_error;
};

struct report_request {
	uint8_t user_data[64];
	uint32_t vmpl;
	uint8_t zero[28];
};

struct ext_report_request {
	struct report_request report;
	uint64_t certs_address;
	uint32_t certs_len;
	uint32_t pad;
};

struct report_response {
	uint32_t status;
	uint32_t report_size;
	uint8_t zero[24];
	uint8_t report[3968];
};

_Static_assert(sizeof(struct guest_request) == 32, "snp_guest_request_ioctl");
_Static_assert(sizeof(struct report_request) == 96, "snp_report_req");
_Static_assert(sizeof(struct ext_report_request) == 112, "snp_ext_report_req");
_Static_assert(sizeof(struct report_response) == 4000, "snp_report_resp");

#define SNP_GET_REPORT _IOWR('S', 0x0, struct guest_request)
#define SNP_GET_EXT_REPORT _IOWR('S', 0x2, struct guest_request)

#ifdef __GLIBC__
typedef unsigned long ioctl_command;
#else
typedef int ioctl_command;
#endif

#define PAGE 4096u
#define CERTS_LEN 0x4000u  /* what the kernel takes at most (SEV_FW_BLOB_MAX_SIZE) */
#define CERTS_MAX 0x10000u /* should a later kernel take more */

enum { VMM_INVALID_LEN = 1, VMM_BUSY = 2 };
enum { FW_INVALID_PARAM = 0x16, FW_INVALID_KEY = 0x27 };

bool sev_guest_present(void)
{
	return access(SEV_GUEST_DEVICE, F_OK) == 0;
}

/* What a request for a report can come back with (SEV-SNP Firmware ABI, "Status Codes"; psp-sev.h). */
static const struct {
	uint32_t status;
	const char *text;
} firmware_statuses[] = {
	{ 0x00, "no error" },
	{ 0x01, "the platform is in a wrong state" },
	{ 0x02, "this guest is in a wrong state" },
	{ 0x04, "a length is wrong" },
	{ 0x07, "the guest's policy forbids it" },
	{ 0x09, "an address is wrong" },
	{ 0x0B, "the request is not authentic" },
	{ 0x10, "there is no such guest" },
	{ 0x13, "the hardware has failed" },
	{ 0x14, "the hardware has failed and is not safe" },
	{ 0x15, "it is not supported" },
	{ FW_INVALID_PARAM, "invalid parameter" },
	{ 0x17, "a limit of the platform is reached" },
	{ 0x1D, "the message counter has run out" },
	{ 0x23, "the platform must be shut down first" },
	{ FW_INVALID_KEY, "invalid key selection" },
	{ 0xFF, "the firmware was not reached" },
};

static const char *firmware_text(uint32_t status)
{
	for (size_t i = 0; i < ARRAY_LEN(firmware_statuses); i++)
		if (firmware_statuses[i].status == status)
			return firmware_statuses[i].text;
	return "see the SEV-SNP firmware specification";
}

/* GHCB specification, SNP_GUEST_REQUEST. */
static const char *host_text(uint32_t error)
{
	switch (error) {
	case 0:
		return "none";
	case VMM_INVALID_LEN:
		return "too little room for certificates";
	case VMM_BUSY:
		return "busy";
	default:
		return "the hypervisor's own";
	}
}

static int ioctl_error(int number, const struct guest_request *request, struct err *err)
{
	const char *device = SEV_GUEST_DEVICE;
	if (number == ENOTTY)
		return err_set_errno(err, ERR_SYSTEM, number,
				     "'%s': the kernel has given up its key to the firmware after an earlier failure, "
				     "or is no SNP guest's: restart the VM",
				     device);
	if (request->vmm_error == VMM_BUSY)
		return err_set_errno(err, ERR_DEVICE, number, "'%s': the host is busy", device);
	if (number == EINTR || number == EAGAIN || number == EBUSY)
		return err_set_errno(err, ERR_DEVICE, number, "'%s': the request was not carried out", device);
	if (number == ETIMEDOUT)
		return err_set_errno(
			err, ERR_SYSTEM, number,
			"'%s': the host did not answer in time; the kernel has given up its key: restart the VM",
			device);
	return err_set_errno(err, ERR_SYSTEM, number, "'%s': firmware error 0x%x (%s), host error 0x%x (%s)", device,
			     request->fw_error, firmware_text(request->fw_error), request->vmm_error,
			     host_text(request->vmm_error));
}

static int take_report(const struct report_response *response, struct buf *out, struct err *err)
{
	if (response->status != 0)
		return err_set(err, ERR_SYSTEM,
			       "'" SEV_GUEST_DEVICE "': the firmware refuses the report: status 0x%x (%s)",
			       response->status, firmware_text(response->status));
	if (response->report_size == 0 || response->report_size > sizeof(response->report))
		return err_set(err, ERR_SYSTEM,
			       "'" SEV_GUEST_DEVICE "': a report of %u bytes, which the answer cannot hold",
			       response->report_size);
	return buf_append(out, bytes_of(response->report, response->report_size), err);
}

/* 0, or -1 with errno as ioctl(2) left it in *ret_errno. */
static int issue(int fd, unsigned long command, const void *request_data, struct report_response *response,
		 struct guest_request *request, int *ret_errno)
{
	*request = (struct guest_request){ .msg_version = 1,
					   .req_data = (uint64_t)(uintptr_t)request_data,
					   .resp_data = (uint64_t)(uintptr_t)response };
	memset(response, 0, sizeof(*response));
	/* musl declares the command as int, glibc as unsigned long; the kernel looks at its low 32 bits. */
	if (ioctl(fd, (ioctl_command)command, request) == 0)
		return 0;
	*ret_errno = errno;
	return -1;
}

/* The extended report. *ret_needed is the size that the host's table wants where ours was too small, else 0. */
static int try_extended(int fd, const struct report_request *report, uint8_t *certs, uint32_t certs_len,
			struct report_response *response, uint32_t *ret_needed, struct err *err)
{
	struct ext_report_request ext = { .report = *report,
					  .certs_address = (uint64_t)(uintptr_t)certs,
					  .certs_len = certs_len };
	struct guest_request request;
	int why;
	*ret_needed = 0;
	if (issue(fd, SNP_GET_EXT_REPORT, &ext, response, &request, &why) == 0)
		return 0;
	if (request.vmm_error == VMM_INVALID_LEN)
		*ret_needed = ext.certs_len ? ext.certs_len : 1; /* none is nonsense, too, and no multiple of a page */
	return ioctl_error(why, &request, err);
}

static int plain_report(int fd, const struct report_request *report, struct report_response *response, struct err *err)
{
	struct guest_request request;
	int why;
	if (issue(fd, SNP_GET_REPORT, report, response, &request, &why) == 0)
		return 0;
	return ioctl_error(why, &request, err);
}

/* Kernels without throttling of their own lock themselves out when the host says "busy": leave two seconds
 * between commands (Linux 6.1 and earlier). */
static void leave_room(void)
{
	struct timespec rest = { .tv_sec = 2 };
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest) == EINTR)
		;
}

static int with_certs(int fd, const struct report_request *report, struct report_response *response, struct buf *certs,
		      const char **ret_note, struct err *err)
{
	uint32_t len = CERTS_LEN;
	uint32_t needed;
	for (int round = 0; round < 2; round++) {
		OWNED_MEM uint8_t *table = calloc(1, len);
		if (!table)
			return err_set(err, ERR_SYSTEM, "out of memory");
		if (try_extended(fd, report, table, len, response, &needed, err) == 0)
			return buf_append(certs, bytes_of(table, len), err);
		if (needed == 0 && round > 0 && err->sys_errno == EINVAL)
			break; /* this kernel takes no buffer of that size */
		if (needed == 0)
			return -1;
		leave_room();
		if (needed <= len || needed > CERTS_MAX || needed % PAGE != 0)
			break;
		len = needed;
	}
	*ret_note = "the host's certificate table is larger than can be taken; the report goes without it";
	return plain_report(fd, report, response, err);
}

int sev_guest_report(const struct report_data *data, uint32_t vmpl, struct buf *ret_report, struct buf *ret_certs,
		     const char **ret_note, struct err *err)
{
	struct report_request report = { .vmpl = vmpl };
	struct report_response response;
	struct buf out OWNED_BUF = BUF_INIT(ret_report->max);
	struct buf certs OWNED_BUF = BUF_INIT(ret_certs->max);
	const char *note = "";
	int fd OWNED_FD = open(SEV_GUEST_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, errno == ENOENT || errno == ENXIO ? ERR_NO_TEE : ERR_SYSTEM, errno,
				     "cannot open '" SEV_GUEST_DEVICE "' (is sealpod root?)");
	memcpy(report.user_data, data->bytes, sizeof(report.user_data));
	if (with_certs(fd, &report, &response, &certs, &note, err) < 0 || take_report(&response, &out, err) < 0)
		return -1;
	buf_move(ret_report, &out);
	buf_move(ret_certs, &certs);
	*ret_note = note;
	return 0;
}
