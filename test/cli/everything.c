/* SPDX-License-Identifier: GPL-2.0-only */
/* a bit of everything that has an image, for test/cli/damaged.bats and make fuzz */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
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
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "victim.h"

static bool make_pipes(void)
{
	int p[2], fd;

	return expect(pipe(p) == 0) && expect(write(p[1], "seven b", 7) == 7) &&
	       expect(mkfifo("fifo", 0640) == 0) && expect((fd = open("fifo", O_RDWR)) >= 0) &&
	       expect(write(fd, "five!", 5) == 5);
}

static bool make_anonymous(void)
{
	const struct itimerspec its = { .it_value = { .tv_sec = 7777 },
					.it_interval = { .tv_nsec = 77 } };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 77 };
	int event = eventfd(5, 0), epoll = epoll_create1(0), timer, notify = inotify_init1(0);
	int marks = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	timer = timerfd_create(CLOCK_MONOTONIC, 0);
	return expect(event >= 0) && expect(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &ev) == 0) &&
	       expect(signalfd(-1, &set, 0) >= 0) &&
	       expect(timerfd_settime(timer, 0, &its, NULL) == 0) &&
	       expect(inotify_add_watch(notify, ".", IN_CREATE) >= 0) &&
	       expect(fanotify_mark(marks, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, ".") == 0) &&
	       expect(fanotify_mark(marks, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_MODIFY, AT_FDCWD,
				    "/dev/shm") == 0) &&
	       expect(syscall(SYS_pidfd_open, getpid(), 0) >= 0);
}

static bool make_files(void)
{
	int gone = open("gone", O_RDWR | O_CREAT, 0600),
	    kept = open("kept", O_RDWR | O_CREAT, 0600);
	struct flock lock = { .l_type = F_WRLCK, .l_start = 3, .l_len = 5 };
	int mem = memfd_create("everything", MFD_ALLOW_SEALING);

	return expect(write(gone, "a ghost", 7) == 7) && expect(unlink("gone") == 0) &&
	       expect(write(kept, "content", 7) == 7) && expect(fcntl(kept, F_SETLK, &lock) == 0) &&
	       expect(flock(gone, LOCK_SH) == 0) && expect(fcntl(kept, F_SETOWN, getpid()) == 0) &&
	       expect(write(mem, "memory", 6) == 6) &&
	       expect(fcntl(mem, F_ADD_SEALS, F_SEAL_GROW) == 0);
}

static bool make_unix(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "name" };
	int pair[2], dgram[2], listener = socket(AF_UNIX, SOCK_STREAM, 0);
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { "and a file", 10 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	return expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) &&
	       expect(write(pair[0], "queued", 6) == 6) &&
	       expect(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram) == 0) &&
	       expect(send(dgram[0], "one", 3, 0) == 3) &&
	       memcpy(CMSG_DATA(c), &pair[0], sizeof(int)) &&
	       expect(sendmsg(dgram[0], &msg, 0) == 10) &&
	       expect(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0) &&
	       expect(listen(listener, 3) == 0);
}

static bool make_inet(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				   .sin_port = htons(7777) };
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);

	return expect(bind(tcp, (struct sockaddr *)&any, sizeof(any)) == 0) &&
	       expect(listen(tcp, 5) == 0) &&
	       expect(bind(udp, (struct sockaddr *)&any, sizeof(any)) == 0) &&
	       expect(sendto(udp, "self", 4, 0, (struct sockaddr *)&any, sizeof(any)) == 4) &&
	       expect(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
}

static bool make_terminal(void)
{
	int master, slave;

	return expect(openpty(&master, &slave, NULL, NULL, NULL) == 0) &&
	       expect(write(master, "typed\n", 6) == 6) && expect(ioctl(slave, TIOCSCTTY, 0) == 0);
}

static bool make_memory(void)
{
	int page = 4096, id = shmget(IPC_PRIVATE, 7777, 0600), fd = open("kept", O_RDWR);
	char *anon =
		mmap(NULL, 5 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared =
		mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *file = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char *segment = shmat(id, NULL, 0);

	if (!expect(anon != MAP_FAILED && shared != MAP_FAILED && file != MAP_FAILED &&
		    segment != (char *)-1))
		return false;
	anon[page] = shared[2 * page] = file[5] = segment[7] = 77;
	return expect(madvise(anon, page, MADV_DONTFORK) == 0);
}

static void handler(int sig)
{
}

static bool make_signals(void)
{
	static char stack[16384];
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const struct itimerval itimer = { .it_value = { .tv_sec = 7777 } };
	const struct itimerspec its = { .it_value = { .tv_sec = 7777 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	const union sigval value = { .sival_int = 77 };
	sigset_t set;
	timer_t timer;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	signal(SIGTERM, handler);
	return expect(sigprocmask(SIG_BLOCK, &set, NULL) == 0) &&
	       expect(sigqueue(getpid(), SIGUSR1, value) == 0) && expect(raise(SIGUSR2) == 0) &&
	       expect(sigaltstack(&alternate, NULL) == 0) &&
	       expect(setitimer(ITIMER_REAL, &itimer, NULL) == 0) &&
	       expect(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) &&
	       expect(timer_settime(timer, 0, &its, NULL) == 0);
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return NULL;
}

static bool make_tasks(void)
{
	pthread_t thread;
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_NAME, "child", 0, 0, 0);
		wait_for_ever(NULL);
	}
	if (fork() == 0)
		_exit(7); /* a zombie */
	return expect(pid > 0) && expect(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
}

static bool make_filter(void)
{
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	const struct sock_fprog prog = { .len = 1, .filter = all };

	return expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) &&
	       expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
}

static bool make(void)
{
	return make_pipes() && make_anonymous() && make_files() && make_unix() && make_inet() &&
	       make_terminal() && make_memory() && make_signals() && make_tasks() && make_filter();
}

static bool same(void)
{
	return expect(access("kept", F_OK) == 0);
}

VICTIM(make, same)
