/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * automounts, indirect, direct and offset, whose daemon goes on mounting: what was mounted
 * is, what is asked for later comes (autofs-1)
 */
#include <linux/auto_fs.h>
#include <sys/ioctl.h>

#include "forest.h"

static pid_t daemon_pid;
static int root[3], ends[2];
static const char *const dirs[3] = { "auto", "direct", "offset" };
static const char *const modes[3] = { "indirect", "direct", "offset" };

static bool fill(const char *dir)
{
	char file[400];

	snprintf(file, sizeof(file), "%s/file", dir);
	return mount_tmpfs(dir, 0, "size=1m") && make_file(file, dir);
}

static int root_of_dev(dev_t dev)
{
	struct stat st;

	for (int i = 0; i < 3; i++)
		if (fstat(root[i], &st) == 0 && st.st_dev == dev)
			return i;
	return 0;
}

/* What is asked for is mounted. */
static void serve(void)
{
	struct autofs_v5_packet p;
	char dir[300];

	while (read(ends[0], &p, sizeof(p)) == sizeof(p)) {
		int i = p.hdr.type == autofs_ptype_missing_indirect
				? 0
				: root_of_dev(makedev(p.dev >> 20, p.dev & 0xfffff));

		if (i == 0)
			snprintf(dir, sizeof(dir), "auto/%s", p.name);
		else
			snprintf(dir, sizeof(dir), "%s", dirs[i]);
		if (strcmp(p.name, "none") == 0 || !fill(dir))
			ioctl(root[i], AUTOFS_IOC_FAIL, p.wait_queue_token);
		else
			ioctl(root[i], AUTOFS_IOC_READY, p.wait_queue_token);
	}
	_exit(1);
}

static bool mount_auto(int i, int group)
{
	char options[200];
	unsigned long timeout = (unsigned long)(300 + i);

	snprintf(options, sizeof(options), "fd=%d,pgrp=%d,minproto=5,maxproto=5,%s", ends[1], group,
		 modes[i]);
	if (!make_dir(dirs[i]) || mount("automounts", dirs[i], "autofs", MS_NOSUID, options) < 0)
		return false;
	root[i] = open(dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root[i] >= 0 && ioctl(root[i], AUTOFS_IOC_SETTIMEOUT, &timeout) == 0;
}

static void be_daemon(int told)
{
	char done = 'y';

	setpgid(0, 0);
	if (pipe2(ends, O_CLOEXEC) < 0)
		_exit(1);
	for (int i = 0; i < 3; i++)
		if (!mount_auto(i, getpgrp()))
			done = errno == ENODEV || errno == EPERM ? 'n' : 'e';
	close(ends[1]);
	if (write(told, &done, 1) != 1 || close(told) < 0)
		_exit(1);
	serve();
}

static bool make(void)
{
	int told[2];
	char done = 'e';

	if (!own_mounts() || !expect(pipe2(told, O_CLOEXEC) == 0))
		return false;
	daemon_pid = fork();
	if (daemon_pid == 0)
		be_daemon(told[1]);
	close(told[1]);
	if (!expect(read(told[0], &done, 1) == 1) || !expect(close(told[0]) == 0))
		return false;
	if (done == 'n')
		skip("this kernel has no autofs, or not for everybody");
	return expect(done == 'y') && expect(file_is("auto/early/file", "auto/early")) &&
	       expect(file_is("direct/file", "direct")) &&
	       expect(access("auto/none", F_OK) < 0 && errno == ENOENT);
}

static bool has_options(const char *dir, const char *what, const char *timeout)
{
	char line[4096], at_dir[300];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;

	snprintf(at_dir, sizeof(at_dir), "/%s ", dir);
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, at_dir) && strstr(line, " - autofs automounts ") &&
		    strstr(line, what) && strstr(line, timeout) && strstr(line, "nosuid"))
			found = true;
	if (f)
		fclose(f);
	return found;
}

static bool same(void)
{
	return expect(has_options("auto", ",indirect,", "timeout=300,")) &&
	       expect(has_options("direct", ",direct,", "timeout=301,")) &&
	       expect(has_options("offset", ",offset,", "timeout=302,")) &&
	       expect(file_is("auto/early/file", "auto/early")) &&
	       expect(file_is("direct/file", "direct")) &&
	       expect(file_is("auto/late/file", "auto/late")) &&
	       expect(access("auto/none", F_OK) < 0 && errno == ENOENT) &&
	       expect(file_is("offset/file", "offset")) && expect(mkdir("auto/mine", 0755) < 0) &&
	       expect(umount("direct") == 0) && expect(file_is("direct/file", "direct")) &&
	       expect(kill(daemon_pid, SIGKILL) == 0);
}

VICTIM(make, same)
