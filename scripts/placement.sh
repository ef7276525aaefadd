# How mpirun spreads ranks over the cores of a node; sourced by mpirun.sh.

# cpu_table: "CPU CORE SOCKET NUMA-NODE" for each CPU that this shell may use; a container may hide what belongs together.
cpu_table() {
  local allowed
  allowed=$(taskset -cp $BASHPID 2>/dev/null | sed 's/.*: //')
  { lscpu -p=CPU,CORE,SOCKET,NODE 2>/dev/null || seq 0 $(($(nproc) - 1)) | sed 's/.*/&,&,0,0/'; } |
    awk -F, -v allowed="$allowed" '
      BEGIN {
        all = split(allowed, parts, ",") == 0
        for (i in parts) {
          n = split(parts[i], ends, "-")
          for (cpu = ends[1]; cpu <= ends[n]; cpu++) usable[cpu + 0] = 1
        }
      }
      /^[0-9]/ && (all || ($1 + 0) in usable) { print $1, $2 "/" $3, $3, $4 == "" ? 0 : $4 }'
}

# count COLUMN: how many different values the column of the table on standard input has.
count() { awk -v column="$1" '{print $column}' | sort -u | wc -l; }

# smallest COLUMN: the cores of the smallest socket or NUMA node of the table on standard input.
smallest() {
  awk -v column="$1" '{print $column, $2}' | sort -u | awk '{cores[$1]++} END {for (i in cores) print cores[i]}' |
    sort -n | head -n 1
}

# has_all_cpus: whether this shell may use every CPU that is there. Open MPI sees cpusets, as those of Slurm and of
# containers, but not the affinity that taskset gives a shell: it would bind its ranks outside.
has_all_cpus() {
  [[ -n ${SLURM_JOB_ID:-} ]] || (($(cpu_table | wc -l) >= $(lscpu -p=CPU 2>/dev/null | grep -c '^[0-9]')))
}

# nodes_of_job ARGUMENT...: how many nodes mpirun will use, by its own options or the scheduler's variables.
nodes_of_job() {
  local previous= argument
  for argument in "$@"; do
    case $previous in
      --host | -host | -H) tr ',' '\n' <<<"$argument" | sed 's/:.*//' | sort -u | wc -l && return ;;
      --hostfile | -hostfile | --machinefile | -machinefile)
        sed 's/#.*//' "$argument" | awk 'NF {print $1}' | sort -u | wc -l && return
        ;;
    esac
    previous=$argument
  done
  if [[ -n ${PBS_NODEFILE:-} && -r $PBS_NODEFILE ]]; then
    sort -u "$PBS_NODEFILE" | wc -l
  else
    echo "${SLURM_JOB_NUM_NODES:-1}"
  fi
}

# read_mpi_arguments ARGUMENT...: takes --per and --print out of what stands before the program, and leaves the rest in
# the array `arguments`; sets per, ranks (0 if not given) and print, and to yes maps and binds when mpirun is told that.
read_mpi_arguments() {
  local previous=
  per= ranks=0 print=no maps=no binds=no arguments=()
  while (($# > 0)); do
    case $1 in
      --per)
        (($# > 1)) || die "--per: need numa, socket or node"
        per=$2
        shift
        ;;
      --per=*) per=${1#--per=} ;;
      --print) print=yes ;;
      *)
        arguments+=("$1")
        if [[ $previous =~ ^--?np?$ ]]; then
          ranks=$1
        elif [[ $1 =~ ^--?(map-by|rankfile|rf|npernode|npersocket|N)$ ]]; then
          maps=yes
        elif [[ $1 =~ ^--?(bind-to|cpu-set|cpu-list)$ ]]; then
          binds=yes
        elif [[ $1 != -* ]] && type -P "$1" >/dev/null; then
          arguments+=("${@:2}")
          break
        fi
        [[ ! $previous =~ ^--?(rankfile|rf)$ && ! $previous$1 =~ ^--?map-by.*pe= ]] || binds=yes
        previous=$1
        ;;
    esac
    shift
  done
  [[ $per =~ ^(|numa|socket|node)$ ]] || die "--per $per: need numa, socket or node"
  [[ $ranks =~ ^[0-9]+$ ]] || die "-n $ranks: need a number of ranks"
}

# open_mpi_5: whether mpirun is that of Open MPI 5 or later, which has other words for some things.
open_mpi_5() { [[ $(mpirun --version 2>/dev/null) =~ Open\ MPI\)\ ([0-9]+) ]] && ((BASH_REMATCH[1] >= 5)); }

# plan_mpi ARGUMENT...: sets the array `mapping`, the options that bind ranks, `arguments`, the rest, with -n when it was
# not given, and `srun`, what means the same to Slurm. What the caller says of mapping and binding is left as it is: Open
# MPI 5 takes no option twice.
plan_mpi() {
  local table cores numa_nodes sockets per ranks maps binds nodes here domains column several=no map=slot
  read_mpi_arguments "$@"
  [[ " ${arguments[*]} " != *" : "* ]] || several=yes
  [[ -z $per || $several == no ]] || die "--per $per: need one program"
  [[ -z $per || $maps$binds == nono ]] || die "--per $per: need no other option that maps or binds ranks"
  table=$(cpu_table)
  cores=$(count 2 <<<"$table")
  sockets=$(count 3 <<<"$table")
  numa_nodes=$(count 4 <<<"$table")
  nodes=$(nodes_of_job "${arguments[@]}")
  here=$(((ranks + nodes - 1) / nodes))
  if [[ -z $per && $maps$binds$several == nonono ]] && ((numa_nodes > 1)) && has_all_cpus && [[ -z $(misfit) ]]; then
    per=numa
  fi
  if [[ -z $per ]]; then
    ((ranks <= cores)) || map=slot:OVERSUBSCRIBE
    mapping=()
    [[ $binds == yes ]] || mapping+=(--bind-to none)
    [[ $maps == yes ]] || mapping+=(--map-by "$map")
    [[ $maps$binds == *yes* ]] || srun=(--mpi=pmix "--ntasks=$ranks" --cpu-bind=none)
    return
  fi
  case $per in
    numa) domains=$numa_nodes column=4 ;;
    socket) domains=$sockets column=3 ;;
    node) domains=1 column=0 ;;
  esac
  if ((ranks == 0)); then
    here=$domains
    arguments=(-n $((domains * nodes)) "${arguments[@]}")
  fi
  [[ -z $(misfit) ]] || die "--per $per: $here ranks on $cores cores of $sockets sockets: need $(misfit)"
  map_ranks
}

# misfit: what is needed for the ranks of a node to have equal shares of its cores; empty when they can have them.
misfit() {
  if ((here > cores)); then
    echo "no more ranks than cores"
  elif ((here > 1 && here % sockets != 0)) && open_mpi_5; then
    echo "a multiple of the sockets, as Open MPI 5 binds no rank to cores of two"
  fi
}

# map_ranks: the part of plan_mpi that knows Open MPI's and Slurm's words. Every rank has a socket or NUMA node, or an
# equal share of one; where that does not come out even, an equal share of the node.
map_ranks() {
  local socket=socket and=, share=0
  if open_mpi_5; then
    socket=package and=:
  fi
  srun=(--mpi=pmix "--ntasks-per-node=$here" "--cpus-per-task=$(($(wc -l <<<"$table") / here))")
  if ((here == 1)); then
    mapping=(--bind-to none --map-by ppr:1:node:OVERSUBSCRIBE)
    srun+=(--cpu-bind=none)
    return
  fi
  if ((here == domains)); then
    [[ $per == numa ]] && srun+=(--cpu-bind=ldoms) || srun+=(--cpu-bind=sockets)
  else
    srun+=(--distribution=block:block --cpu-bind=cores)
  fi
  [[ $per != socket ]] || per=$socket
  if ((here == domains)); then
    mapping=(--bind-to "$per" --map-by "ppr:1:$per:OVERSUBSCRIBE")
  elif ((domains > 1 && here % domains == 0)); then
    share=$(($(smallest "$column" <<<"$table") * domains / here))
    mapping=(--bind-to core --map-by "ppr:$((here / domains)):$per:pe=$share${and}OVERSUBSCRIBE")
  else
    mapping=(--bind-to core --map-by "ppr:$here:node:pe=$((cores / here))${and}OVERSUBSCRIBE")
  fi
}
