/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * variety DIR - a little of everything, and three that tick: the first task,
 * its thread and its child each add to a file of their own.  One is stopped.  For
 * test/cli/faults.bats.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "victim.h"

enum { PAGE = 4096 };

static void tick(const char *name) __attribute__((noreturn));
static void tick(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0666);

	for (;;) {
		if (write(fd, ".", 1) != 1)
			_exit(1);
		victim_sleep(2);
	}
}

static void *thread_main(void *arg)
{
	tick("thread");
	return NULL;
}

static bool make_files(void)
{
	int fd = open("deleted", O_RDWR | O_CREAT, 0640), fifo, lock;
	struct flock part = { .l_type = F_WRLCK, .l_start = 5, .l_len = 7 };

	if (!expect(fd >= 0 && write(fd, "gone", 4) == 4 && unlink("deleted") == 0))
		return false;
	fd = open("linked", O_RDWR | O_CREAT, 0640);
	if (!expect(fd >= 0 && link("linked", "other") == 0 && unlink("linked") == 0))
		return false;
	lock = open("locked", O_RDWR | O_CREAT, 0600);
	if (!expect(flock(lock, LOCK_SH) == 0 && fcntl(lock, F_SETLK, &part) == 0))
		return false;
	mkfifo("fifo", 0600);
	fifo = open("fifo", O_RDWR);
	return expect(fifo >= 0 && write(fifo, "first", 5) == 5) &&
	       expect(mkdir("dir", 0700) == 0 && open("dir", O_DIRECTORY) >= 0 &&
		      rmdir("dir") == 0) &&
	       expect(open("/dev/zero", O_RDONLY) >= 0);
}

static bool make_anonymous(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct itimerspec later = { { 5, 0 }, { 1000, 0 } };
	int pipe_fd[2], ep = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
	int mem = memfd_create("sealed", MFD_ALLOW_SEALING), watch = inotify_init();
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return expect(pipe(pipe_fd) == 0 && write(pipe_fd[1], "inside", 6) == 6) &&
	       expect(epoll_ctl(ep, EPOLL_CTL_ADD, eventfd(5, 0), &ev) == 0) &&
	       expect(timerfd_settime(timer, 0, &later, NULL) == 0) &&
	       expect(ftruncate(mem, 3 * PAGE) == 0 &&
		      fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK) == 0) &&
	       expect(mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, mem, 0) != MAP_FAILED) &&
	       expect(inotify_add_watch(watch, "other", IN_MODIFY) > 0) &&
	       expect(signalfd(-1, &set, 0) >= 0 && kill(getpid(), SIGUSR2) == 0) &&
	       expect(syscall(SYS_pidfd_open, getpid(), 0) >= 0);
}

static bool make_sockets(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "socket" };
	struct sockaddr_un gone = { .sun_family = AF_UNIX, .sun_path = "socket.gone" };
	struct sockaddr_un before = { .sun_family = AF_UNIX, .sun_path = "socket.before" };
	struct sockaddr_in port = { .sin_family = AF_INET, .sin_port = htons(1789) };
	int pair[2], bound = socket(AF_UNIX, SOCK_STREAM, 0);
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
	int unbound = socket(AF_UNIX, SOCK_DGRAM, 0), moved = socket(AF_UNIX, SOCK_DGRAM, 0);

	return expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) &&
	       expect(write(pair[0], "queued", 6) == 6) &&
	       expect(bind(bound, (void *)&name, sizeof(name)) == 0 && listen(bound, 3) == 0) &&
	       expect(bind(unbound, (void *)&gone, sizeof(gone)) == 0 &&
		      unlink("socket.gone") == 0) &&
	       expect(bind(moved, (void *)&before, sizeof(before)) == 0 &&
		      rename("socket.before", "renamed") == 0) &&
	       expect(bind(tcp, (void *)&port, sizeof(port)) == 0 && listen(tcp, 3) == 0) &&
	       expect(bind(udp, (void *)&port, sizeof(port)) == 0) &&
	       expect(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0);
}

static bool make_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;

	if (master < 0)
		return true; /* no terminals here */
	grantpt(master);
	unlockpt(master);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	return expect(slave >= 0 && write(slave, "shown", 5) == 5);
}

static bool make_memory(void)
{
	int named = shmget(0x5eed, 3 * PAGE, IPC_CREAT | 0600);
	int passing = shmget(IPC_PRIVATE, 3 * PAGE, 0600);
	char *shared =
		mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *own =
		mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = shmat(named, NULL, 0), *q = shmat(passing, NULL, 0);

	if (!expect(p != (void *)-1 && q != (void *)-1 && shared != MAP_FAILED &&
		    own != MAP_FAILED))
		return false;
	shmctl(passing, IPC_RMID, NULL);
	p[5] = q[6] = shared[7] = own[8] = 'x';
	madvise(own + PAGE, PAGE, 102 /* MADV_GUARD_INSTALL */);
	madvise(own, PAGE, MADV_DONTFORK);
	return expect(mprotect(own + 2 * PAGE, PAGE, PROT_READ) == 0) &&
	       expect(mlock(own + 4 * PAGE, PAGE) == 0);
}

static bool make_own(void)
{
	static char stack[4 * PAGE];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct itimerval itimer = { { 7, 0 }, { 2000, 0 } };
	struct itimerspec later = { { 5, 0 }, { 1000, 0 } };
	timer_t timer;

	return expect(sigaltstack(&alt, NULL) == 0) &&
	       expect(setitimer(ITIMER_VIRTUAL, &itimer, NULL) == 0) &&
	       expect(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0) &&
	       expect(timer_settime(timer, 0, &later, NULL) == 0) &&
	       expect(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
}

/* Everything is allowed; but it is a filter. */
static bool filter(void)
{
	struct sock_filter insn = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { 1, &insn };

	return expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) &&
	       expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
}

static bool make_children(void)
{
	pid_t child = fork(), dead, stopped;

	if (child == 0) {
		setpgid(0, 0);
		tick("child");
	}
	dead = fork();
	if (dead == 0)
		_exit(3);
	stopped = fork();
	if (stopped == 0) {
		raise(SIGSTOP);
		_exit(0);
	}
	victim_say("stopped", "%d", stopped);
	return expect(child > 0 && dead > 0 && stopped > 0) &&
	       expect(waitpid(stopped, NULL, WUNTRACED) == stopped);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	snprintf(victim_dir, sizeof(victim_dir), "%s", argv[1]);
	if (!make_files() || !make_anonymous() || !make_sockets() || !make_terminal() ||
	    !make_memory() || !make_own() || !make_children() || !filter() ||
	    pthread_create(&thread, NULL, thread_main, NULL))
		return 1;
	victim_say("ready", "%d", getpid());
	tick("main");
}
