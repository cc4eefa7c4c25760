/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * library COMMAND [ARG...]: a program that checkpoints by the library
 *
 * Prints what functions return, errno behind it, and what the callback hears.
 * What $CRIU_SOCKET names is a service; else criu-lite is started from PATH.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criu/criu.h>

static const char *refused = "";

static int hear(char *action, criu_notify_arg_t arg)
{
	printf("%s %d\n", action, criu_notify_pid(arg));
	return strcmp(action, refused) == 0 ? 77 : 0;
}

static void say(const char *what, int ret)
{
	printf("%s: %d", what, ret);
	if (ret < 0)
		printf(" errno %d", errno);
	printf("\n");
	fflush(stdout);
}

static void use_directory(const char *dir)
{
	criu_set_images_dir_fd(open(dir, O_RDONLY | O_DIRECTORY));
	criu_set_log_level(4);
	criu_set_log_file("library.log");
}

/* Asked after each pre-dump: three, and then the dump. */
static int more(criu_predump_info info)
{
	static int rounds;

	return info == NULL ? ++rounds < 3 : -1;
}

static void ask_features(void)
{
	struct criu_feature_check f = { .pidfd_store = true };
	char larger[sizeof(f) + 1] = { 0 };

	say("features", criu_feature_check(&f, sizeof(f)));
	printf("%d %d %d\n", f.mem_track, f.lazy_pages, f.pidfd_store);
	say("too many", criu_feature_check((struct criu_feature_check *)larger, sizeof(larger)));
	f = (struct criu_feature_check){ .mem_track = true, .pidfd_store = true };
	say("an older program", criu_feature_check(&f, 2));
	printf("%d %d %d\n", f.mem_track, f.lazy_pages, f.pidfd_store);
}

/* Each setter once: what arrives is told by the server at the other end, which is us. */
static void set_all(void)
{
	char *argv[] = { "one", "two" };
	char buf[4096];
	int ends[2];
	CriuReq *req;
	ssize_t n;

	criu_set_pid(5);
	criu_set_leave_running(true);
	criu_set_ext_unix_sk(false);
	criu_add_unix_sk(11);
	criu_add_unix_sk(12);
	criu_add_ext_mount("key", "val");
	criu_add_external("net[5]:x");
	criu_add_inherit_fd(7, "pipe:[9]");
	criu_add_cg_root(NULL, "/a");
	criu_add_cg_root("cpu", "/b");
	criu_join_ns_add("net", "/ns", NULL);
	criu_add_veth_pair("in", "out");
	criu_add_irmap_path("/etc");
	criu_set_empty_ns(0x40000000);
	criu_set_exec_cmd(2, argv);
	criu_set_exec_cmd(1, argv);
	criu_set_root("/first");
	criu_set_root("/r");
	criu_set_manage_cgroups_mode(CRIU_CG_MODE_STRICT);
	say("lock", criu_set_network_lock(CRIU_NETWORK_LOCK_NFTABLES));
	say("no lock", criu_set_network_lock(9));
	say("no mode", criu_set_pre_dump_mode(9));
	say("no options", criu_local_add_irmap_path(NULL, "/"));
	criu_set_page_server_address_port("host", 99);

	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
	criu_set_service_fd(ends[0]);
	if (fork() == 0) {
		n = recv(ends[1], buf, sizeof(buf), 0);
		req = criu_req__unpack(NULL, (size_t)n, (uint8_t *)buf);
		const CriuOpts *o = req->opts;

		printf("type %d pid %d running %d unix %d %zu %u mount %s=%s %s fd %d %s\n",
		       req->type, o->pid, o->leave_running, o->ext_unix_sk, o->n_unix_sk_ino,
		       o->unix_sk_ino[1]->inode, o->ext_mnt[0]->key, o->ext_mnt[0]->val,
		       o->external[0], o->inherit_fd[0]->fd, o->inherit_fd[0]->key);
		printf("cgroup %s %s %s ns %s %s %s veth %s %s irmap %s empty %#x\n",
		       o->cg_root[0]->ctrl ?: "-", o->cg_root[1]->ctrl, o->cg_root[1]->path,
		       o->join_ns[0]->ns, o->join_ns[0]->ns_file, o->join_ns[0]->extra_opt ?: "-",
		       o->veths[0]->if_in, o->veths[0]->if_out, o->irmap_scan_paths[0],
		       o->empty_ns);
		printf("exec %zu %s root %s mode %d lock %d server %s %d\n", o->n_exec_cmd,
		       o->exec_cmd[0], o->root, o->manage_cgroups_mode, o->network_lock,
		       o->ps->address, o->ps->port);
		fflush(stdout);
		_exit(0);
	}
	close(ends[1]);
	say("dump", criu_dump());
	say("its descriptor is closed", fcntl(ends[0], F_GETFD));
	wait(NULL);
}

static void restore_child(void)
{
	int pid = criu_restore_child(), status;

	say("restore_child", pid);
	if (pid > 0) {
		usleep(100000);
		printf("ours: %d\n", waitpid(pid, &status, WNOHANG) == 0);
	}
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "", *socket = getenv("CRIU_SOCKET");

	if (criu_init_opts() < 0)
		return 2;
	if (socket)
		criu_set_service_address(socket);
	if (getenv("REFUSE"))
		refused = getenv("REFUSE");

	if (strcmp(command, "version") == 0) {
		say("version", criu_get_version());
		say("old enough", criu_check_version(40200));
		say("too old", criu_check_version(40201));
	} else if (strcmp(command, "features") == 0) {
		ask_features();
	} else if (strcmp(command, "check") == 0) {
		say("check", criu_check());
	} else if (strcmp(command, "set") == 0) {
		set_all();
	} else if (argc > 3 && strcmp(command, "dump") == 0) {
		use_directory(argv[3]);
		criu_set_pid(atoi(argv[2]));
		criu_set_notify_cb(hear);
		say("dump", criu_dump());
	} else if (argc > 3 && strcmp(command, "iterate") == 0) {
		use_directory(argv[3]);
		say("without a pid", criu_dump_iters(more));
		criu_set_pid(atoi(argv[2]));
		say("iterate", criu_dump_iters(more));
	} else if (argc > 2 && strcmp(command, "self") == 0) {
		use_directory(argv[2]);
		criu_set_leave_running(argc > 3);
		say("dump", criu_dump());
		criu_set_pid(getpid());
		criu_set_leave_running(true);
		say("once more", criu_dump());
		pause();
	} else if (argc > 2 && strcmp(command, "restore") == 0) {
		use_directory(argv[2]);
		criu_set_notify_cb(hear);
		say("restore", criu_restore());
	} else if (argc > 2 && strcmp(command, "child") == 0) {
		use_directory(argv[2]);
		restore_child();
	} else if (strcmp(command, "nobody") == 0) {
		criu_set_service_binary("/no/such/program");
		say("no program", criu_get_version());
		criu_set_service_address("/no/such/socket");
		say("no socket", criu_get_version());
		criu_set_service_binary("true");
		say("no server", criu_get_version());
	}
	criu_free_opts();
	return 0;
}
