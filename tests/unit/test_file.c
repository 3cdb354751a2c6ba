/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/file: whole files or none, no link followed, no mount crossed, nothing
 * that hangs, and nothing left behind when it goes wrong.
 */
#include "support.h"

#include <dirent.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/file.h"

/* The directory of the running test, with an open descriptor. */
static char root[256];
static int root_fd = -1;

/* mkdirat() as the library under test sees it (--wrap), with somebody else who
 * is quick before and after it. */
static void (*just_before)(int dirfd, const char *name);
static void (*just_after)(int dirfd, const char *name);
int __real_mkdirat(int dirfd, const char *name, mode_t mode);
int __wrap_mkdirat(int dirfd, const char *name, mode_t mode);
int __wrap_mkdirat(int dirfd, const char *name, mode_t mode)
{
	if (just_before)
		just_before(dirfd, name);
	int r = __real_mkdirat(dirfd, name, mode);
	if (just_after)
		just_after(dirfd, name);
	return r;
}

static int enter(void **state)
{
	(void)state;
	(void)umask(022);
	make_directory(root);
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0 ? -1 : 0;
}

static int leave(void **state)
{
	(void)state;
	char command[600];
	just_before = just_after = NULL;
	cleanup_fd(&root_fd);
	(void)snprintf(command, sizeof(command), "chmod -R u+rwx '%s' && rm -rf '%s'", root, root);
	return system(command) == 0 ? 0 : -1;
}

static struct file_owner us(void)
{
	return (struct file_owner){ .uid = geteuid(), .gid = getegid() };
}

/* For a child with mounts of its own: a descriptor from before does not see them. */
static void child_enter_again(void)
{
	child_own_mounts();
	(void)close(root_fd);
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(root_fd >= 0);
}

/* For children too, hence CHECK. */
static void put(int dirfd, const char *name, const char *text)
{
	int fd OWNED_FD = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static bool holds(int dirfd, const char *name, const char *text)
{
	char content[256] = "";
	int fd OWNED_FD = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, content, sizeof(content) - 1);
	return n >= 0 && strcmp(content, text) == 0;
}

static bool exists(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Entries besides "." and ".."; also the ones with a dot in front. */
static int count_entries(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	CHECK(dir != NULL);
	int count = -2;
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

static mode_t mode_of(int dirfd, const char *name)
{
	struct stat st;
	CHECK(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	return st.st_mode & 07777;
}

/* --- file_read --- */

static void assert_unread(int dirfd, const char *path, enum err_code code, const char *says)
{
	struct err err = { 0 };
	struct buf out OWNED_BUF = BUF_INIT(100);
	assert_int_equal(buf_append_text(&out, "old", &err), 0);
	assert_int_equal(file_read(dirfd, path, &out, &err), -1);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.message, says));
	assert_non_null(strstr(err.message, path));
	assert_string_equal(buf_text(&out), "old");
}

static void read_takes_the_whole_file(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct err err = { 0 };
		int fd OWNED_FD = openat(root_fd, "f", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		assert_int_equal(ftruncate(fd, (off_t)sizes[i]), 0);
		struct buf out OWNED_BUF = BUF_INIT(sizes[i]);
		assert_int_equal(file_read(root_fd, "f", &out, &err), 0);
		assert_int_equal(out.len, sizes[i]);
		assert_int_equal(strlen(buf_text(&out)), 0); /* a hole reads as zeros */
	}
	struct buf cmdline OWNED_BUF = BUF_INIT(100000); /* its size says 0, it is not */
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", &cmdline, NULL), 0);
	assert_true(cmdline.len > 0);
}

static void read_replaces_what_was_in_the_buffer(void **state)
{
	(void)state;
	struct buf out OWNED_BUF = BUF_INIT(100);
	put(root_fd, "f", "new");
	assert_int_equal(buf_append_text(&out, "old", NULL), 0);
	assert_int_equal(file_read(root_fd, "f", &out, NULL), 0);
	assert_string_equal(buf_text(&out), "new");
	assert_int_equal(out.max, 100);
}

static void read_follows_a_link_to_a_file(void **state)
{
	(void)state;
	struct buf out OWNED_BUF = BUF_INIT(100);
	put(root_fd, "f", "content");
	assert_int_equal(symlinkat("f", root_fd, "link"), 0);
	assert_int_equal(file_read(root_fd, "link", &out, NULL), 0);
	assert_string_equal(buf_text(&out), "content");
}

static void read_refuses_what_is_no_file(void **state)
{
	(void)state;
	assert_unread(root_fd, "absent", ERR_CONFIG, "No such file");
	assert_int_equal(mkdirat(root_fd, "dir", 0700), 0);
	assert_unread(root_fd, "dir", ERR_CONFIG, "is not a regular file");
	assert_unread(AT_FDCWD, "/dev/zero", ERR_CONFIG, "is not a regular file");
	assert_int_equal(symlinkat("self", root_fd, "self"), 0);
	assert_unread(root_fd, "self", ERR_CONFIG, "symbolic links");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/socket", root_fd);
	int socket_fd OWNED_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(socket_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_unread(root_fd, "socket", ERR_CONFIG, "cannot open");
}

/* The alarm turns hanging into a signal, that is into a red test. */
static void read_fifo(void)
{
	struct err err = { 0 };
	struct buf out OWNED_BUF = BUF_INIT(100);
	(void)alarm(30);
	CHECK(file_read(root_fd, "fifo", &out, &err) == -1);
	CHECK(err.code == ERR_CONFIG);
	CHECK(strcmp(err.message, "'fifo' is not a regular file") == 0);
}

static void read_of_a_fifo_does_not_hang(void **state)
{
	(void)state;
	assert_int_equal(mkfifoat(root_fd, "fifo", 0600), 0);
	assert_child_well(read_fifo);
	int both_ends OWNED_FD = openat(root_fd, "fifo", O_RDWR | O_CLOEXEC); /* and with a silent writer */
	assert_true(both_ends >= 0);
	assert_child_well(read_fifo);
}

static void read_stops_at_the_limit(void **state)
{
	(void)state;
	char text[102];
	memset(text, 'x', 101);
	text[101] = 0;
	put(root_fd, "f", text);
	assert_unread(root_fd, "f", ERR_CONFIG, "'f': larger than the limit of 100 bytes");
	int fd OWNED_FD = openat(root_fd, "huge", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	assert_unread(root_fd, "huge", ERR_CONFIG, "larger than the limit");
}

static void read_error_of_the_device_is_reported(void **state)
{
	(void)state;
	assert_unread(AT_FDCWD, "/proc/self/mem", ERR_SYSTEM, "cannot read"); /* nothing is mapped at 0 */
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/mem", &(struct buf)BUF_INIT(10), NULL), -1);
}

static void read_forbidden(void)
{
	struct err err = { 0 };
	struct buf out OWNED_BUF = BUF_INIT(100);
	child_drop_capabilities();
	CHECK(file_read(root_fd, "f", &out, &err) == -1);
	CHECK(err.code == ERR_CONFIG && err.sys_errno == EACCES);
}

static void read_without_permission_fails(void **state)
{
	(void)state;
	put(root_fd, "f", "x");
	assert_int_equal(fchmodat(root_fd, "f", 0, 0), 0);
	assert_child_well(read_forbidden);
}

/* --- file_write_fd --- */

static void write_to_bad_descriptors_fails(void **state)
{
	(void)state;
	struct err err = { 0 };
	int full OWNED_FD = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(file_write_fd(full, bytes_of("x", 1), &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_int_equal(file_write_fd(full, bytes_of(NULL, 0), &err), 0);
	int readable OWNED_FD = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(file_write_fd(readable, bytes_of("x", 1), &err), -1);
	assert_int_equal(err.sys_errno, EBADF);
}

static void do_nothing(int signal_number)
{
	(void)signal_number;
}

/* More than a pipe holds, so that write() comes back with a part; signals that
 * interrupt it besides. */
static void write_in_parts(void)
{
	static uint8_t data[300000], got[300000];
	int ends[2];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 >> 3);
	CHECK(pipe(ends) == 0);
	pid_t writer = fork();
	CHECK(writer >= 0);
	if (writer == 0) {
		const struct sigaction action = { .sa_handler = do_nothing };
		const struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
		(void)close(ends[0]);
		CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
		_exit(file_write_fd(ends[1], bytes_of(data, sizeof(data)), NULL) == 0 ? 0 : 1);
	}
	(void)close(ends[1]);
	size_t len = 0;
	for (ssize_t n; len < sizeof(got); len += (size_t)n) {
		size_t rest = sizeof(got) - len;
		n = read(ends[0], got + len, rest < 1000 ? rest : 1000);
		CHECK(n > 0);
	}
	CHECK(memcmp(data, got, len) == 0);
	int status;
	CHECK(waitpid(writer, &status, 0) == writer && status == 0);
}

static void write_continues_after_a_part(void **state)
{
	(void)state;
	assert_child_well(write_in_parts);
}

/* --- file_replace --- */

static void replace_creates_and_replaces(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(file_replace(root_fd, "f", bytes_of_text("one"), 0600, us(), &err), 0);
	assert_true(holds(root_fd, "f", "one"));
	int old OWNED_FD = openat(root_fd, "f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(file_replace(root_fd, "f", bytes_of_text("two, longer"), 0640, us(), &err), 0);
	assert_true(holds(root_fd, "f", "two, longer"));
	char content[16] = "";
	assert_int_equal(read(old, content, sizeof(content)), 3); /* who had it open keeps the old file whole */
	assert_string_equal(content, "one");
	assert_int_equal(file_replace(root_fd, "f", bytes_of(NULL, 0), 0640, us(), &err), 0);
	assert_true(holds(root_fd, "f", ""));
	assert_int_equal(count_entries(root_fd), 1);
}

static void replace_copies_another_file_whole(void **state)
{
	(void)state;
	static char large[3 * 1024 * 1024 + 5];
	memset(large, 'x', sizeof(large));
	int from OWNED_FD = -1;
	assert_int_equal(file_sealed_memfd("from", bytes_of(large, sizeof(large)), &from, NULL), 0);
	assert_int_equal(lseek(from, 0, SEEK_END), sizeof(large)); /* wherever its offset is */
	assert_int_equal(file_replace_from(root_fd, "f", from, 0400, us(), NULL), 0);
	struct stat st;
	assert_int_equal(fstatat(root_fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	struct buf got OWNED_BUF = BUF_INIT(sizeof(large) + 1);
	assert_int_equal(file_read(root_fd, "f", &got, NULL), 0);
	assert_true(bytes_equal(buf_bytes(&got), bytes_of(large, sizeof(large))));
	assert_int_equal(file_replace(root_fd, "f", bytes_of_text("before"), 0600, us(), NULL), 0);
	struct err err = { 0 };
	int directory OWNED_FD = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_replace_from(root_fd, "f", directory, 0400, us(), &err), -1);
	assert_true(holds(root_fd, "f", "before"));
	assert_int_equal(count_entries(root_fd), 1);
}

static void replace_gives_the_mode_whatever_the_umask(void **state)
{
	(void)state;
	static const mode_t modes[] = { 0, 0400, 0444, 0600, 0644, 0755, 0777 };
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		for (size_t j = 0; j < ARRAY_LEN(masks); j++) {
			(void)umask(masks[j]);
			int r = file_replace(root_fd, "f", bytes_of_text("x"), modes[i], us(), NULL);
			(void)umask(022);
			assert_int_equal(r, 0);
			assert_int_equal(mode_of(root_fd, "f"), modes[i]);
		}
	}
}

static void replace_writes_no_link_through(void **state)
{
	(void)state;
	put(root_fd, "target", "untouched");
	assert_int_equal(symlinkat("target", root_fd, "link"), 0);
	assert_int_equal(file_replace(root_fd, "link", bytes_of_text("new"), 0600, us(), NULL), 0);
	assert_true(holds(root_fd, "target", "untouched"));
	assert_true(holds(root_fd, "link", "new")); /* a file now */
}

static void replace_takes_single_components_only(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(root_fd, "dir", 0700), 0);
	static const char *const names[] = { "", ".", "..", "dir/f", "/f", "../f", "dir/" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err err = { 0 };
		assert_int_equal(file_replace(root_fd, names[i], bytes_of_text("x"), 0600, us(), &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
	}
	assert_int_equal(count_entries(root_fd), 1);
	int dir OWNED_FD = openat(root_fd, "dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(count_entries(dir), 0);
}

static void replace_of_a_directory_leaves_it(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(mkdirat(root_fd, "dir", 0700), 0);
	assert_int_equal(file_replace(root_fd, "dir", bytes_of_text("x"), 0600, us(), &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EISDIR);
	assert_non_null(strstr(err.message, "cannot put 'dir' in place"));
	assert_int_equal(count_entries(root_fd), 1);
}

static void replace_takes_long_names(void **state)
{
	(void)state;
	struct err err = { 0 };
	char name[NAME_MAX + 2];
	memset(name, 'n', sizeof(name) - 1);
	name[NAME_MAX + 1] = 0;
	assert_int_equal(file_replace(root_fd, name, bytes_of_text("x"), 0600, us(), &err), -1);
	assert_int_equal(err.sys_errno, ENAMETOOLONG);
	assert_int_equal(count_entries(root_fd), 0);
	name[NAME_MAX] = 0;
	assert_int_equal(file_replace(root_fd, name, bytes_of_text("x"), 0600, us(), &err), 0);
	assert_true(holds(root_fd, name, "x"));
}

static void replace_where_nothing_may_be_made(void)
{
	struct err err = { 0 };
	child_drop_capabilities();
	CHECK(fchmod(root_fd, 0500) == 0);
	CHECK(file_replace(root_fd, "f", bytes_of_text("new"), 0600, us(), &err) == -1);
	CHECK(err.code == ERR_SYSTEM && err.sys_errno == EACCES);
	CHECK(strstr(err.message, "cannot create a file beside 'f'") != NULL);
}

static void replace_for_an_owner_we_cannot_make(void)
{
	struct err err = { 0 };
	struct file_owner other = { .uid = geteuid() + 1, .gid = getegid() };
	child_drop_capabilities();
	CHECK(file_replace(root_fd, "f", bytes_of_text("new"), 0600, other, &err) == -1);
	CHECK(err.code == ERR_SYSTEM && err.sys_errno == EPERM);
	CHECK(holds(root_fd, "f", "old") && count_entries(root_fd) == 1);
}

static void replace_beyond_the_file_size(void)
{
	struct err err = { 0 };
	static const uint8_t data[10000];
	(void)signal(SIGXFSZ, SIG_IGN);
	child_limit(RLIMIT_FSIZE, 5000);
	CHECK(file_replace(root_fd, "f", bytes_of(data, sizeof(data)), 0600, us(), &err) == -1);
	CHECK(err.code == ERR_SYSTEM && err.sys_errno == EFBIG);
	CHECK(strncmp(err.message, "'f': cannot write", 17) == 0);
	CHECK(holds(root_fd, "f", "old") && count_entries(root_fd) == 1);
}

static void replace_on_a_full_disk(void)
{
	struct err err = { 0 };
	static const uint8_t data[1024 * 1024];
	child_own_mounts();
	child_mount_tmpfs(root, "size=64k,mode=0700");
	int fd OWNED_FD = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(fd, "f", "old");
	CHECK(file_replace(fd, "f", bytes_of(data, sizeof(data)), 0600, us(), &err) == -1);
	CHECK(err.code == ERR_SYSTEM && err.sys_errno == ENOSPC);
	CHECK(holds(fd, "f", "old") && count_entries(fd) == 1);
	CHECK(file_replace(fd, "f", bytes_of(data, 32 * 1024), 0600, us(), &err) == 0); /* the room is back */
}

static void replace_that_fails_leaves_the_old_file_alone(void **state)
{
	(void)state;
	put(root_fd, "f", "old");
	assert_child_well(replace_for_an_owner_we_cannot_make);
	assert_child_well(replace_beyond_the_file_size);
	assert_child_well(replace_where_nothing_may_be_made);
	assert_true(holds(root_fd, "f", "old"));
	assert_int_equal(count_entries(root_fd), 1);
	assert_child_well(replace_on_a_full_disk);
}

static void replace_gives_the_file_away(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	struct stat st;
	struct file_owner other = { .uid = 12345, .gid = 54321 };
	assert_int_equal(file_replace(root_fd, "f", bytes_of_text("x"), 0640, other, NULL), 0);
	assert_int_equal(fstatat(root_fd, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 54321);
	assert_int_equal(st.st_mode & 07777, 0640);
}

/* --- file_open_dir --- */

static const char *below(const char *path)
{
	static char whole[600];
	(void)snprintf(whole, sizeof(whole), "%s/%s", root, path);
	return whole;
}

static void open_dir_makes_what_is_missing(void **state)
{
	(void)state;
	struct err err = { 0 };
	int fd OWNED_FD = -1;
	assert_int_equal(mkdirat(root_fd, "there", 0751), 0);
	assert_int_equal(file_open_dir(below("there//a/b/"), 0700, &fd, &err), 0);
	put(fd, "f", "x");
	assert_true(holds(root_fd, "there/a/b/f", "x"));
	assert_int_equal(mode_of(root_fd, "there/a"), 0700);
	assert_int_equal(mode_of(root_fd, "there/a/b"), 0700);
	assert_int_equal(mode_of(root_fd, "there"), 0751); /* not ours to change */
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	int again OWNED_FD = -1;
	assert_int_equal(file_open_dir(below("there/a"), 0755, &again, &err), 0);
	assert_int_equal(mode_of(root_fd, "there/a"), 0700);
	int slash OWNED_FD = -1;
	assert_int_equal(file_open_dir("/", 0700, &slash, &err), 0);
}

static void open_dir_gives_the_mode_whatever_the_umask(void **state)
{
	(void)state;
	int fd OWNED_FD = -1;
	(void)umask(077);
	int r = file_open_dir(below("a/b"), 0755, &fd, NULL);
	(void)umask(022);
	assert_int_equal(r, 0);
	assert_int_equal(mode_of(root_fd, "a"), 0755);
	assert_int_equal(mode_of(root_fd, "a/b"), 0755);
}

static void assert_not_opened(const char *path, enum err_code code, const char *says)
{
	struct err err = { 0 };
	int fd = -7;
	assert_int_equal(file_open_dir(path, 0700, &fd, &err), -1);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.message, says));
	assert_int_equal(fd, -7);
}

static void open_dir_follows_no_link(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(root_fd, "real", 0700), 0);
	assert_int_equal(symlinkat("real", root_fd, "link"), 0);
	assert_int_equal(symlinkat("nowhere", root_fd, "dangling"), 0);
	assert_not_opened(below("link"), ERR_CONFIG, "links are not followed");
	assert_not_opened(below("link/new"), ERR_CONFIG, "links are not followed");
	assert_not_opened(below("dangling"), ERR_CONFIG, "links are not followed");
	assert_false(exists(root_fd, "real/new"));
	assert_false(exists(root_fd, "nowhere"));
	put(root_fd, "file", "x");
	assert_not_opened(below("file"), ERR_CONFIG, "Not a directory");
}

static void make_it_first(int dirfd, const char *name)
{
	assert_int_equal(__real_mkdirat(dirfd, name, 0711), 0);
}

static void put_a_link_there(int dirfd, const char *name)
{
	assert_int_equal(unlinkat(dirfd, name, AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat(".", dirfd, name), 0);
}

static void put_theirs_there(int dirfd, const char *name)
{
	assert_int_equal(fchownat(dirfd, name, 12345, 12345, AT_SYMLINK_NOFOLLOW), 0);
}

static void open_dir_bears_races(void **state)
{
	(void)state;
	int fd OWNED_FD = -1;
	just_before = make_it_first;
	int first = file_open_dir(below("first"), 0755, &fd, NULL);
	just_before = NULL;
	assert_int_equal(first, 0);
	assert_int_equal(mode_of(root_fd, "first"), 0711); /* not ours to change */
	just_after = put_a_link_there;
	assert_not_opened(below("linked"), ERR_CONFIG, "links are not followed");
	just_after = NULL;
	assert_int_equal(mode_of(root_fd, "."), 0700);
	if (geteuid() != 0)
		return; /* nobody else can give directories away */
	just_after = put_theirs_there;
	assert_not_opened(below("theirs"), ERR_SYSTEM, "'theirs' was replaced while it was made");
	just_after = NULL;
	assert_int_equal(mode_of(root_fd, "theirs"), 0700);
}

static void open_dir_refuses_odd_paths(void **state)
{
	(void)state;
	assert_not_opened("", ERR_CONFIG, "not an absolute path");
	assert_not_opened("relative", ERR_CONFIG, "not an absolute path");
	assert_not_opened(below("a/../b"), ERR_CONFIG, "'..' component");
	assert_not_opened(below("a/./b"), ERR_CONFIG, "'.' component");
	assert_int_equal(count_entries(root_fd), 0); /* and makes nothing on the way */
	assert_not_opened("/proc/nothing-here", ERR_SYSTEM, "cannot create directory 'nothing-here'");
}

/* --- file_remove_tree --- */

static int open_there(const char *name)
{
	return openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static void remove_takes_all_below(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(file_remove_tree(root_fd, "absent", &err), 0);
	put(root_fd, "file", "x");
	assert_int_equal(file_remove_tree(root_fd, "file", &err), 0);
	assert_int_equal(mkdirat(root_fd, "d", 0700), 0);
	assert_int_equal(mkdirat(root_fd, "d/e", 0700), 0);
	assert_int_equal(mkdirat(root_fd, "d/e/empty", 0700), 0);
	assert_int_equal(mkfifoat(root_fd, "d/fifo", 0600), 0);
	put(root_fd, "d/.hidden", "x");
	for (int i = 0; i < 1000; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "d/e/%d", i);
		put(root_fd, name, "");
	}
	assert_int_equal(file_remove_tree(root_fd, "d", &err), 0);
	assert_int_equal(count_entries(root_fd), 0);
}

static void remove_follows_no_link(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(root_fd, "outside", 0700), 0);
	put(root_fd, "outside/kept", "x");
	assert_int_equal(mkdirat(root_fd, "tree", 0700), 0);
	assert_int_equal(symlinkat("../outside", root_fd, "tree/link"), 0);
	assert_int_equal(symlinkat("outside", root_fd, "link"), 0);
	assert_int_equal(file_remove_tree(root_fd, "tree", NULL), 0);
	assert_int_equal(file_remove_tree(root_fd, "link", NULL), 0);
	assert_true(holds(root_fd, "outside/kept", "x"));
	assert_int_equal(count_entries(root_fd), 1);
}

static void remove_takes_single_components_only(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(root_fd, "in", 0700), 0);
	assert_int_equal(mkdirat(root_fd, "in/er", 0700), 0);
	put(root_fd, "kept", "x");
	put(root_fd, "in/kept", "x");
	int in OWNED_FD = open_there("in");
	static const char *const names[] = { "", ".", "..", "../kept", "er/", "er/../kept", "/" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err err = { 0 };
		assert_int_equal(file_remove_tree(in, names[i], &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
	}
	assert_true(holds(root_fd, "kept", "x"));
	assert_true(holds(root_fd, "in/kept", "x"));
	assert_true(exists(in, "er"));
}

static void remove_with_mounts_inside(void)
{
	struct err err = { 0 };
	child_enter_again();
	CHECK(mkdirat(root_fd, "tree", 0700) == 0 && mkdirat(root_fd, "tree/other", 0700) == 0 &&
	      mkdirat(root_fd, "tree/same", 0700) == 0 && mkdirat(root_fd, "outside", 0700) == 0);
	put(root_fd, "outside/kept", "x");

	child_mount_tmpfs(below("tree/other"), "size=64k"); /* another file system */
	put(root_fd, "tree/other/kept", "x");
	int other OWNED_FD = open_there("tree/other");
	CHECK(file_remove_tree(root_fd, "tree", &err) == -1);
	CHECK(err.code == ERR_SYSTEM && strstr(err.message, "'other'") != NULL);
	CHECK(holds(other, "kept", "x"));
	int tree OWNED_FD = open_there("tree");
	CHECK(file_remove_tree(tree, "other", &err) == -1); /* and as the name itself */
	CHECK(holds(other, "kept", "x"));
	cleanup_fd(&other);
	CHECK(umount(below("tree/other")) == 0);

	char outside[600];
	(void)snprintf(outside, sizeof(outside), "%s/outside", root);
	if (!exists(tree, "same"))
		CHECK(mkdirat(tree, "same", 0700) == 0);
	CHECK(mount(outside, below("tree/same"), "none", MS_BIND, NULL) == 0); /* the same one */
	CHECK(file_remove_tree(root_fd, "tree", &err) == -1);
	CHECK(strstr(err.message, "'same'") != NULL);
	CHECK(holds(root_fd, "outside/kept", "x"));
	CHECK(umount(below("tree/same")) == 0);
	CHECK(file_remove_tree(root_fd, "tree", &err) == 0);
	CHECK(!exists(root_fd, "tree"));
}

static void remove_crosses_no_mount(void **state)
{
	(void)state;
	assert_child_well(remove_with_mounts_inside);
}

static void remove_has_a_depth(void **state)
{
	(void)state;
	char path[100] = "d";
	for (int depth = 1; depth <= 16; depth++) {
		assert_int_equal(mkdirat(root_fd, path, 0700), 0);
		(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/d");
	}
	assert_int_equal(file_remove_tree(root_fd, "d", NULL), 0);
	assert_false(exists(root_fd, "d"));
	path[1] = 0;
	for (int depth = 1; depth <= 17; depth++) {
		assert_int_equal(mkdirat(root_fd, path, 0700), 0);
		(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/d");
	}
	struct err err = { 0 };
	assert_int_equal(file_remove_tree(root_fd, "d", &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_non_null(strstr(err.message, "16 directories deep"));
}

static void remove_without_permission(void)
{
	struct err err = { 0 };
	child_drop_capabilities();
	CHECK(fchmodat(root_fd, "d/locked", 0500, 0) == 0);
	CHECK(file_remove_tree(root_fd, "d", &err) == -1);
	CHECK(err.code == ERR_SYSTEM && err.sys_errno == EACCES);
	CHECK(strstr(err.message, "cannot remove 'f'") != NULL);
	CHECK(fchmodat(root_fd, "d/locked", 0, 0) == 0);
	CHECK(file_remove_tree(root_fd, "d", &err) == -1);
	CHECK(err.sys_errno == EACCES);
	CHECK(strstr(err.message, "cannot open 'locked'") != NULL);
}

static void remove_says_what_it_could_not(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(root_fd, "d", 0700), 0);
	assert_int_equal(mkdirat(root_fd, "d/locked", 0700), 0);
	put(root_fd, "d/locked/f", "x");
	assert_child_well(remove_without_permission);
	assert_int_equal(fchmodat(root_fd, "d/locked", 0700, 0), 0);
	assert_true(holds(root_fd, "d/locked/f", "x"));
}

static void remove_without_descriptors(void)
{
	struct err err = { 0 };
	(void)close(root_fd + 1);
	child_limit(RLIMIT_NOFILE, (rlim_t)root_fd + 2);   /* one is free */
	CHECK(file_remove_tree(root_fd, "d", &err) == -1); /* opens it, cannot list it */
	CHECK(err.code == ERR_SYSTEM && err.sys_errno == EMFILE);
}

static void remove_short_of_descriptors_fails(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(root_fd, "d", 0700), 0);
	put(root_fd, "d/f", "x");
	assert_child_well(remove_without_descriptors);
	assert_true(holds(root_fd, "d/f", "x"));
}

/* --- file_is_memory, file_sealed_memfd --- */

static void look_at_file_systems(void)
{
	child_own_mounts();
	child_mount_tmpfs(root, "size=64k");
	int memory OWNED_FD = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(file_is_memory(memory));
}

static void memory_file_systems_are_known(void **state)
{
	(void)state;
	assert_child_well(look_at_file_systems);
	int proc OWNED_FD = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(proc >= 0);
	assert_false(file_is_memory(proc));
	assert_false(file_is_memory(-1));
}

static void assert_sealed(int fd, size_t len)
{
	void *shared = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_equal(shared, MAP_FAILED);
	assert_int_equal(pwrite(fd, "X", 1, 0), -1);
	assert_int_equal(pwrite(fd, "X", 1, (off_t)len), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, (off_t)len + 1), -1);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)len), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	assert_int_equal(errno, EPERM);
}

static void sealed_memfd_stays_as_it_is(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct stat st;
	char path[64], content[8] = "";
	int fd OWNED_FD = -1;
	assert_int_equal(file_sealed_memfd("credential", bytes_of_text("content"), &fd, &err), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & 0xf, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0400);
	assert_int_equal(st.st_size, 7);
	assert_sealed(fd, 7);
	assert_int_equal(fchmod(fd, 0600), 0); /* so that anybody's reopening works */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int reopened OWNED_FD = open(path, O_RDWR | O_CLOEXEC);
	assert_true(reopened >= 0);
	assert_sealed(reopened, 7);
	assert_int_equal(open(path, O_RDWR | O_TRUNC | O_CLOEXEC), -1);
	assert_int_equal(read(fd, content, sizeof(content)), 7); /* from offset 0 */
	assert_string_equal(content, "content");
}

static void empty_memfd_is_sealed_too(void **state)
{
	(void)state;
	int fd OWNED_FD = -1;
	assert_int_equal(file_sealed_memfd("nothing", bytes_of(NULL, 0), &fd, NULL), 0);
	assert_int_equal(pwrite(fd, "X", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_ptr_equal(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}

static void memfd_beyond_the_file_size(void)
{
	struct err err = { 0 };
	int fd = -7;
	(void)signal(SIGXFSZ, SIG_IGN);
	child_limit(RLIMIT_FSIZE, 3);
	CHECK(file_sealed_memfd("x", bytes_of_text("four"), &fd, &err) == -1);
	CHECK(err.code == ERR_SYSTEM && err.sys_errno == EFBIG && fd == -7);
	CHECK(strstr(err.message, "memory file 'x'") != NULL);
}

static void memfd_without_descriptors(void)
{
	struct err err = { 0 };
	int fd = -7;
	child_limit(RLIMIT_NOFILE, 3);
	CHECK(file_sealed_memfd("x", bytes_of_text("four"), &fd, &err) == -1);
	CHECK(err.code == ERR_SYSTEM && err.sys_errno == EMFILE && fd == -7);
}

static void memfd_failures_give_no_descriptor(void **state)
{
	(void)state;
	struct err err = { 0 };
	int fd = -7;
	char name[300];
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_int_equal(file_sealed_memfd(name, bytes_of_text("x"), &fd, &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_int_equal(fd, -7);
	assert_child_well(memfd_beyond_the_file_size);
	assert_child_well(memfd_without_descriptors);
}

int main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave)
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(read_takes_the_whole_file),
		IN_DIRECTORY(read_replaces_what_was_in_the_buffer),
		IN_DIRECTORY(read_follows_a_link_to_a_file),
		IN_DIRECTORY(read_refuses_what_is_no_file),
		IN_DIRECTORY(read_of_a_fifo_does_not_hang),
		IN_DIRECTORY(read_stops_at_the_limit),
		IN_DIRECTORY(read_error_of_the_device_is_reported),
		IN_DIRECTORY(read_without_permission_fails),
		IN_DIRECTORY(write_to_bad_descriptors_fails),
		IN_DIRECTORY(write_continues_after_a_part),
		IN_DIRECTORY(replace_creates_and_replaces),
		IN_DIRECTORY(replace_copies_another_file_whole),
		IN_DIRECTORY(replace_gives_the_mode_whatever_the_umask),
		IN_DIRECTORY(replace_writes_no_link_through),
		IN_DIRECTORY(replace_takes_single_components_only),
		IN_DIRECTORY(replace_of_a_directory_leaves_it),
		IN_DIRECTORY(replace_takes_long_names),
		IN_DIRECTORY(replace_that_fails_leaves_the_old_file_alone),
		IN_DIRECTORY(replace_gives_the_file_away),
		IN_DIRECTORY(open_dir_makes_what_is_missing),
		IN_DIRECTORY(open_dir_gives_the_mode_whatever_the_umask),
		IN_DIRECTORY(open_dir_follows_no_link),
		IN_DIRECTORY(open_dir_bears_races),
		IN_DIRECTORY(open_dir_refuses_odd_paths),
		IN_DIRECTORY(remove_takes_all_below),
		IN_DIRECTORY(remove_follows_no_link),
		IN_DIRECTORY(remove_takes_single_components_only),
		IN_DIRECTORY(remove_crosses_no_mount),
		IN_DIRECTORY(remove_has_a_depth),
		IN_DIRECTORY(remove_says_what_it_could_not),
		IN_DIRECTORY(remove_short_of_descriptors_fails),
		IN_DIRECTORY(memory_file_systems_are_known),
		IN_DIRECTORY(sealed_memfd_stays_as_it_is),
		IN_DIRECTORY(empty_memfd_is_sealed_too),
		IN_DIRECTORY(memfd_failures_give_no_descriptor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
