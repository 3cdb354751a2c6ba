/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of its corpus, as an ordinary test. An
 * empty or missing corpus fails: a replay of nothing proves nothing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *dir, const char *name)
{
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	if (!f)
		return -1;
	static uint8_t content[1 << 20];
	size_t len = fread(content, 1, sizeof(content), f);
	(void)fclose(f);
	/* A copy of exactly this size, so that the sanitizers see each byte past the end. */
	uint8_t *exact = malloc(len ? len : 1);
	if (!exact)
		return -1;
	for (size_t i = 0; i < len; i++)
		exact[i] = content[i];
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	if (!dir) {
		(void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	unsigned count = 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay_file(argv[1], entry->d_name) < 0) {
			(void)fprintf(stderr, "cannot read '%s/%s'\n", argv[1], entry->d_name);
			return 1;
		}
		count++;
	}
	(void)closedir(dir);
	(void)printf("%u inputs replayed\n", count);
	return count > 0 ? 0 : 1;
}
