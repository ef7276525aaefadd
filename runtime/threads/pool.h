#pragma once

// How the threads of the pool share the machine's cores.

namespace backflow {

class Team;

/// How many threads of the pool compute at a time: get_num_threads(), but no more than there are cores. Cuts and
/// schedules follow get_num_threads() all the same. With BACKFLOW_OVERSUBSCRIBE=1 in the environment, which is for
/// tests, it is always get_num_threads().
int num_computing_threads();

/// How long a thread that has no work watches for the next loop before it goes to sleep, in microseconds, from 0 to
/// 1e6; at first 50. Waking it takes 5 to 25. Other values throw Error. 0 is for processes that share their cores with
/// others.
void set_spin_time(double microseconds);
double spin_time();

/// Until the end of the scope so many threads of the pool leave loops for other work as soon as they can: a flow graph.
class ThreadLease {
 public:
  explicit ThreadLease(int threads);
  ThreadLease(Team& team, int threads);
  ~ThreadLease();
  ThreadLease(const ThreadLease&) = delete;
  ThreadLease& operator=(const ThreadLease&) = delete;

 private:
  Team& team_;
  const int threads_;
};

}  // namespace backflow
