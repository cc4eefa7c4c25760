/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nsinit - a place of its own for a test
 *
 *	nsinit [-t SECONDS] COMMAND [ARG...]
 *
 * Runs COMMAND in new pid, mount, network and ipc namespaces, with a /proc that
 * shows only these pids, terminals of its own (if there is a /dev/pts), the
 * loopback device up and only descriptors 0, 1 and 2.  Pid 1 reaps orphans.
 * When COMMAND ends, so does everything else in there, and its status is ours;
 * after SECONDS, or when we are asked to end, the same happens at once and the
 * status is 124.
 */
#include <errno.h>
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "nsinit: cannot %s: %s\n", what, strerror(errno));
	exit(125);
}

/* Whoever started us may have ignored or blocked signals; tests shall not inherit that. */
static void default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void own_proc(void)
{
	/* in a chroot, / may be no mount: then it is enough that /proc is private */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 &&
	    mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("make mounts private");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		die("mount /proc");
}

/* Terminals are known by their numbers, so those of tests must not meet. */
static void own_terminals(void)
{
	if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0620") < 0 &&
	    errno != ENOENT)
		die("mount /dev/pts");
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		die("bring up the loopback device");
	close(fd);
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_as_init(char **argv)
{
	pid_t command, pid;
	int status;

	own_proc();
	own_terminals();
	loopback_up();
	close_range(3, ~0U, 0);
	default_signals();

	command = fork();
	if (command < 0)
		die("fork");
	if (command == 0) {
		execvp(argv[0], argv);
		die(argv[0]);
	}

	while ((pid = wait(&status)) != command)
		if (pid < 0 && errno != EINTR)
			die("wait");
	return status_of(status);
}

/* Wait for the end of @init, at most @seconds (0: for ever) and until someone wants us to end. */
static int watch(pid_t init, const sigset_t *signals, unsigned int seconds)
{
	struct timespec left = { .tv_sec = seconds };
	int status, sig;

	do {
		if (waitpid(init, &status, WNOHANG) == init)
			return status_of(status);
		sig = seconds ? sigtimedwait(signals, NULL, &left) : sigwaitinfo(signals, NULL);
	} while (sig == SIGCHLD || (sig < 0 && errno == EINTR));

	kill(init, SIGKILL);
	waitpid(init, &status, 0);
	if (sig < 0)
		fprintf(stderr, "nsinit: ended after %u seconds\n", seconds);
	return 124;
}

int main(int argc, char **argv)
{
	unsigned int seconds = 0;
	sigset_t signals;
	pid_t init;

	if (argc > 2 && strcmp(argv[1], "-t") == 0) {
		seconds = (unsigned int)strtoul(argv[2], NULL, 10);
		argv += 2;
		argc -= 2;
	}
	if (argc < 2) {
		fprintf(stderr, "usage: nsinit [-t SECONDS] COMMAND [ARG...]\n");
		return 125;
	}

	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	init = (pid_t)syscall(SYS_clone,
			      CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | SIGCHLD, 0,
			      0, 0, 0);
	if (init < 0)
		die("make namespaces");
	if (init == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(run_as_init(argv + 1));
	}
	return watch(init, &signals, seconds);
}
