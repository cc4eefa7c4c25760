/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inside - start a program in namespaces of its own
 *
 *	inside LETTERS COMMAND [ARG...]
 *
 * LETTERS: p(id) u(ts) i(pc) n(et) m(ount) c(group) t(ime) U(ser), and r(oot) of its
 * own.  The first task of them is an init that reaps what dies (z: nobody but COMMAND,
 * so that zombies stay), COMMAND is its child and leads a session.  The init ends with
 * COMMAND.  Its pid stands in the file "init" when COMMAND runs; what started us is told
 * nothing, as the init is nobody's child.
 *
 * With p and m there is a /proc that shows its pids; ids in a user namespace
 * are 100000 less than outside.
 *
 * With r, the mount at /mnt, without what is mounted below it, becomes the root, with /proc,
 * /sys, /dev and /run as in a container.  Nothing of other mounts is left, but, in a user
 * namespace, the devices in /dev.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum { IDS_FROM = 100000, IDS = 65536, OWN_ROOT = 1 };

static void die(const char *what)
{
	fprintf(stderr, "inside: cannot %s: %s\n", what, strerror(errno));
	exit(125);
}

static int flags_of(const char *letters)
{
	static const struct {
		char letter;
		int flag;
	} known[] = { { 'p', CLONE_NEWPID },  { 'u', CLONE_NEWUTS },	{ 'i', CLONE_NEWIPC },
		      { 'n', CLONE_NEWNET },  { 'm', CLONE_NEWNS },	{ 'U', CLONE_NEWUSER },
		      { 't', CLONE_NEWTIME }, { 'c', CLONE_NEWCGROUP }, { 'r', OWN_ROOT } };
	int flags = 0;

	for (const char *p = letters; *p; p++)
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (known[i].letter == *p)
				flags |= known[i].flag;
	return flags;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(fd);
}

static void map_ids(pid_t maker)
{
	char path[64], map[64];

	snprintf(map, sizeof(map), "0 %d %d\n", IDS_FROM, IDS);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", maker);
	write_file(path, map);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", maker);
	write_file(path, map);
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		die("bring up the loopback device");
	close(fd);
}

static void own_mounts(int flags)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("make mounts private");
	if (flags & CLONE_NEWPID &&
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		die("mount /proc");
}

static void mount_new(const char *type, const char *path, unsigned long flags, const char *options)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die(path);
	if (mount(type, path, type, flags, options) < 0)
		die(path);
}

/* Only the root of the machine makes devices; others are given them. */
static void make_device(int flags, const char *name, unsigned int major, unsigned int minor)
{
	char path[32], outside[32];

	snprintf(path, sizeof(path), "dev/%s", name);
	snprintf(outside, sizeof(outside), "/dev/%s", name);
	if (flags & CLONE_NEWUSER) {
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
		if (mount(outside, path, NULL, MS_BIND, NULL) < 0)
			die(path);
	} else if (mknod(path, S_IFCHR | 0666, makedev(major, minor)) < 0) {
		die(path);
	}
}

static void own_devices(int flags)
{
	mount_new("tmpfs", "dev", MS_NOSUID, "mode=755,size=65536k");
	make_device(flags, "null", 1, 3);
	make_device(flags, "zero", 1, 5);
	make_device(flags, "full", 1, 7);
	make_device(flags, "random", 1, 8);
	make_device(flags, "urandom", 1, 9);
	make_device(flags, "tty", 5, 0);
	if (mkdir("dev/net", 0755) < 0 || symlink("pts/ptmx", "dev/ptmx") < 0 ||
	    symlink("/proc/self/fd", "dev/fd") < 0)
		die("fill /dev");
	if (access("/dev/net/tun", F_OK) == 0)
		make_device(flags, "net/tun", 10, 200);
	mount_new("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0620");
	mount_new("tmpfs", "dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_new("mqueue", "dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* The control groups that are mounted outside, at the same places; a cgroup namespace sees its own. */
static void own_groups(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[1024], path[256], type[16], options[256];
	bool first = true;

	while (mounts && fgets(line, sizeof(line), mounts)) {
		const char *fs = strstr(line, " - ");

		if (!fs || sscanf(line, "%*s %*s %*s %*s /%255s", path) != 1 ||
		    sscanf(fs, " - %15s %*s %*[^,\n],%255s", type, options) < 1 ||
		    strncmp(type, "cgroup", 6) != 0 || strncmp(path, "sys/fs/cgroup", 13) != 0)
			continue;
		if (first && path[13])
			mount_new("tmpfs", "sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC,
				  "mode=755");
		first = false;
		mount_new(type, path, MS_NOSUID | MS_NODEV | MS_NOEXEC, type[6] ? NULL : options);
	}
	if (mounts)
		fclose(mounts);
}

/*
 * The kernel lets a user namespace mount /proc and /sys only while it still sees others, so the
 * old root goes last.  The bind is our own, where that at /mnt is locked to its place.
 */
static void own_root(int flags)
{
	const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	char *here = getcwd(NULL, 0);
	mode_t mask = umask(0);

	if (!here || mount("/mnt", "/mnt", NULL, MS_BIND, NULL) < 0 || chdir("/mnt") < 0)
		die("take /mnt as the root");
	mount_new("proc", "proc", safe, NULL);
	mount_new("sysfs", "sys", safe, NULL);
	own_groups();
	own_devices(flags);
	mount_new("tmpfs", "run", MS_NOSUID | MS_NODEV, "mode=755");
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		die("change the root");
	if (chdir(here) < 0)
		die(here);
	umask(mask);
	free(here);
}

/* The first of its pid namespace; ends when @command does. */
static int be_init(int flags, bool reaps, char **argv)
{
	pid_t command, pid;
	int status;

	if (flags & CLONE_NEWNS)
		own_mounts(flags);
	if (flags & CLONE_NEWNET)
		loopback_up();
	if (flags & CLONE_NEWUTS && sethostname("inside", 6) < 0)
		die("set the host name");
	if (flags & OWN_ROOT)
		own_root(flags);

	setsid();
	command = fork();
	if (command < 0)
		die("fork");
	if (command == 0) {
		setsid();
		execvp(argv[0], argv);
		die(argv[0]);
	}
	while ((pid = waitpid(reaps ? -1 : command, &status, 0)) != command)
		if (pid < 0 && errno != EINTR)
			die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void other_clocks(void)
{
	if (unshare(CLONE_NEWTIME) < 0)
		die("make a time namespace");
	write_file("/proc/self/timens_offsets", "monotonic 1000000 5\nboottime 2000000 7\n");
}

static pid_t clone_into(int flags)
{
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		die("make namespaces");
	return pid;
}

static void wait_for_go(const int go[2])
{
	char c;

	close(go[1]);
	if (read(go[0], &c, 1) != 1)
		exit(125);
	close(go[0]);
}

static void tell_to_go(const int go[2])
{
	if (write(go[1], "g", 1) != 1)
		die("start a task");
	close(go[0]);
	close(go[1]);
}

static void new_pipe(int go[2])
{
	if (pipe2(go, O_CLOEXEC) < 0)
		die("make a pipe");
}

/* In the user namespace, which the others shall belong to: makes them, and their init. */
static int be_maker(int flags, bool reaps, char **argv)
{
	const int later = CLONE_NEWTIME | CLONE_NEWUSER | OWN_ROOT;
	char text[16];
	pid_t init;
	int go[2];

	/* whoever changes its user does not own its /proc/self any more, unless it says so */
	if (flags & CLONE_NEWUSER &&
	    (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0))
		die("become root");
	if (flags & CLONE_NEWTIME)
		other_clocks();
	new_pipe(go);
	init = clone_into(flags & ~later);
	if (init == 0) {
		wait_for_go(go);
		exit(be_init(flags, reaps, argv));
	}
	snprintf(text, sizeof(text), "%d\n", init);
	write_file("init", text);
	tell_to_go(go);
	return 0;
}

int main(int argc, char **argv)
{
	int flags, status, go[2];
	pid_t maker;

	if (argc < 3) {
		fprintf(stderr, "usage: inside LETTERS COMMAND [ARG...]\n");
		return 125;
	}
	flags = flags_of(argv[1]);
	new_pipe(go);
	maker = clone_into(flags & CLONE_NEWUSER);
	if (maker == 0) {
		wait_for_go(go);
		return be_maker(flags, !strchr(argv[1], 'z'), argv + 2);
	}
	if (flags & CLONE_NEWUSER)
		map_ids(maker);
	tell_to_go(go);
	if (waitpid(maker, &status, 0) != maker)
		die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
