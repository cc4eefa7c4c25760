# SPDX-License-Identifier: GPL-2.0-only
load ../helpers

rounds()
{
	wc -l <"$place/out"
}

more_rounds_than()
{
	[ "$(rounds)" -gt "$1" ]
}

@test "Open MPI: four ranks on one host add up, over three cycles" {
	need mpirun mpicc
	cat >"$work/ring.c" <<-'END'
		#include <mpi.h>
		#include <stdio.h>
		#include <unistd.h>

		int main(int argc, char **argv)
		{
			long sum, mine, i;
			FILE *out = NULL;
			int rank, n;

			MPI_Init(&argc, &argv);
			MPI_Comm_rank(MPI_COMM_WORLD, &rank);
			MPI_Comm_size(MPI_COMM_WORLD, &n);
			if (rank == 0)
				out = fopen("out", "w");
			for (i = 0;; i++) {
				mine = i * (rank + 1);
				MPI_Allreduce(&mine, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
				if (sum != i * n * (n + 1) / 2) {
					fprintf(stderr, "rank %d: %ld in round %ld\n", rank, sum, i);
					MPI_Abort(MPI_COMM_WORLD, 1);
				}
				if (out)
					fprintf(out, "%ld\n", i), fflush(out);
				usleep(2000);
			}
		}
	END
	mpicc -o "$work/ring" "$work/ring.c"
	# the ranks talk through shared memory, the launcher with them through TCP
	launch env HOME="$work" OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
		mpirun --oversubscribe -n 4 --mca btl vader,self "$work/ring"
	wait_for 30 test -s "$place/out"
	for i in 1 2 3; do
		dump --tcp-established --file-locks --link-remap || { show_logs; return 1; }
		restore --tcp-established || { show_logs; return 1; }
		wait_for 20 more_rounds_than $(($(rounds) + 20))
	done
	awk '$1 != NR - 1 { exit 1 }' "$place/out"
	[ ! -s "$place/log" ]
}
