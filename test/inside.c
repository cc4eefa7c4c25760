/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inside - start a program in namespaces of its own
 *
 *	inside LETTERS COMMAND [ARG...]
 *
 * LETTERS: p(id) u(ts) i(pc) n(et) m(ount) c(group) t(ime) U(ser) z(ombies).  The first
 * task of them is an init that reaps what dies, COMMAND is its child and leads
 * a session.  The init ends with COMMAND.  Its pid stands in the file "init" when COMMAND runs; what
 * started us is told nothing, as the init is nobody's child.  With z, it reaps
 * nobody else: zombies stay.
 *
 * With p and m there is a /proc that shows its pids; ids in a user namespace
 * are 100000 less than outside.
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
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum { IDS_FROM = 100000, IDS = 65536 };

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
	} known[] = { { 'p', CLONE_NEWPID },  { 'u', CLONE_NEWUTS },   { 'i', CLONE_NEWIPC },
		      { 'n', CLONE_NEWNET },  { 'm', CLONE_NEWNS },    { 'U', CLONE_NEWUSER },
		      { 't', CLONE_NEWTIME }, { 'c', CLONE_NEWCGROUP } };
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

static void map_ids(pid_t init)
{
	char path[64], map[64];

	snprintf(map, sizeof(map), "0 %d %d\n", IDS_FROM, IDS);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", init);
	write_file(path, map);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", init);
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

/* The first of its pid namespace; ends when @command does. */
static int be_init(int flags, bool reaps, char **argv)
{
	pid_t command, pid;
	int status;

	if (flags & CLONE_NEWUSER && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		die("become root");
	if (flags & CLONE_NEWNS)
		own_mounts(flags);
	if (flags & CLONE_NEWNET)
		loopback_up();
	if (flags & CLONE_NEWUTS && sethostname("inside", 6) < 0)
		die("set the host name");

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

int main(int argc, char **argv)
{
	int flags, go[2];
	char text[16];
	pid_t init;

	if (argc < 3) {
		fprintf(stderr, "usage: inside LETTERS COMMAND [ARG...]\n");
		return 125;
	}
	flags = flags_of(argv[1]);
	if (flags & CLONE_NEWTIME)
		other_clocks();
	if (pipe2(go, O_CLOEXEC) < 0)
		die("make a pipe");
	init = (pid_t)syscall(SYS_clone, (flags & ~CLONE_NEWTIME) | SIGCHLD, 0, 0, 0, 0);
	if (init < 0)
		die("make namespaces");
	if (init == 0) {
		close(go[1]);
		if (read(go[0], text, 1) != 1)
			return 125;
		close(go[0]);
		return be_init(flags, !strchr(argv[1], 'z'), argv + 2);
	}
	if (flags & CLONE_NEWUSER)
		map_ids(init);
	snprintf(text, sizeof(text), "%d\n", init);
	write_file("init", text);
	if (write(go[1], "g", 1) != 1)
		die("start the init");
	return 0;
}
