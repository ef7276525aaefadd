// A network of two hosts that there is not: joins two network namespaces by a link with a delay and a rate.
//
// network_relay PID_A PID_B DELAY_US MBIT_PER_S: makes a TUN device `net0` in the namespace of each process, 10.77.0.1
// in that of A and 10.77.0.2 in that of B, and passes packets between them. A packet of n bytes occupies its direction
// for n / rate, and arrives the delay after that. Nothing is dropped, as on a lossless fabric. Prints "ready", and ends
// when its standard input ends. Needs root.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

constexpr int kMtu = 9000;  // jumbo frames
// What the network under IP adds to a packet: Ethernet's header, checksum, preamble and gap.
constexpr std::size_t kFrameBytes = 38;
constexpr std::size_t kHeaderBytes = 52;  // of IP and TCP with time stamps

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "network_relay: error: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

int checked(int result, const std::string& what) {
  if (result < 0) {
    fail(what);
  }
  return result;
}

void set_up(int socket, const char* device) {
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  checked(ioctl(socket, SIOCGIFFLAGS, &request), "SIOCGIFFLAGS");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  checked(ioctl(socket, SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
}

void set_address(int socket, unsigned long what, std::uint32_t address) {
  ifreq request{};
  std::strncpy(request.ifr_name, "net0", IFNAMSIZ - 1);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(address);
  std::memcpy(&request.ifr_addr, &in, sizeof in);
  checked(ioctl(socket, what, &request), "SIOCSIFADDR");
}

/// Opens a TUN device in the network namespace of `pid`, with 10.77.0.`number`, and brings it and lo up.
int open_device(const std::string& pid, std::uint32_t number) {
  const int space = checked(open(("/proc/" + pid + "/ns/net").c_str(), O_RDONLY), "namespace of " + pid);
  checked(setns(space, CLONE_NEWNET), "setns");
  close(space);
  const int device = checked(open("/dev/net/tun", O_RDWR | O_NONBLOCK), "/dev/net/tun");
  ifreq request{};
  std::strncpy(request.ifr_name, "net0", IFNAMSIZ - 1);
  // As a network card that cuts large packets of TCP into frames and joins them: the relay has to take few of them.
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  checked(ioctl(device, TUNSETIFF, &request), "TUNSETIFF");
  checked(ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4), "TUNSETOFFLOAD");
  const int socket = checked(::socket(AF_INET, SOCK_DGRAM, 0), "socket");
  set_address(socket, SIOCSIFADDR, 0x0a4d0000 + number);
  set_address(socket, SIOCSIFNETMASK, 0xffffff00);
  request.ifr_mtu = kMtu;
  checked(ioctl(socket, SIOCSIFMTU, &request), "SIOCSIFMTU");
  request.ifr_qlen = 100'000;  // packets that wait for the relay, which are otherwise dropped
  checked(ioctl(socket, SIOCSIFTXQLEN, &request), "SIOCSIFTXQLEN");
  set_up(socket, "net0");
  set_up(socket, "lo");
  close(socket);
  return device;
}

/// What stands before each packet with IFF_VNET_HDR: virtio_net_hdr of linux/virtio_net.h, which C++ cannot read.
struct OffloadHeader {
  std::uint8_t flags;
  std::uint8_t segmentation;  ///< 0: none
  std::uint16_t header_bytes;
  std::uint16_t segment_bytes;
  std::uint16_t checksum_begin;
  std::uint16_t checksum_offset;
};
static_assert(sizeof(OffloadHeader) == 10);

/// The bytes on the wire of what was read from a device: a header, and a packet of `bytes` that is sent in one frame or
/// in several.
std::size_t wire_bytes(const std::vector<char>& buffer, std::size_t bytes) {
  OffloadHeader header{};
  std::memcpy(&header, buffer.data(), sizeof header);
  if (header.segmentation == 0 || header.segment_bytes == 0 || bytes <= kHeaderBytes) {
    return bytes + kFrameBytes;
  }
  const std::size_t frames = (bytes - kHeaderBytes + header.segment_bytes - 1) / header.segment_bytes;
  return bytes + (frames - 1) * kHeaderBytes + frames * kFrameBytes;
}

struct Packet {
  Clock::time_point due;
  std::vector<char> data;
};

/// One direction of the link.
class Direction {
 public:
  Direction(int from, int to, nanoseconds delay, double bytes_per_ns)
      : from_(from), to_(to), delay_(delay), bytes_per_ns_(bytes_per_ns) {}

  int source() const { return from_; }
  bool is_empty() const { return waiting_.empty(); }
  Clock::time_point due() const { return waiting_.front().due; }

  void take() {
    for (;;) {
      const ssize_t n = read(from_, buffer_.data(), buffer_.size());
      if (n <= 0) {
        return;
      }
      const auto bytes = static_cast<std::size_t>(n) - sizeof(OffloadHeader);
      const auto on_wire =
          nanoseconds(static_cast<std::int64_t>(static_cast<double>(wire_bytes(buffer_, bytes)) / bytes_per_ns_));
      free_ = std::max(free_, Clock::now()) + on_wire;
      waiting_.push_back({free_ + delay_, {buffer_.data(), buffer_.data() + n}});
    }
  }

  void pass_on() {
    while (!waiting_.empty() && waiting_.front().due <= Clock::now()) {
      const std::vector<char>& data = waiting_.front().data;
      if (write(to_, data.data(), data.size()) < 0 && errno != EAGAIN) {
        std::perror("network_relay: write");
      }
      waiting_.pop_front();
    }
  }

 private:
  int from_;
  int to_;
  nanoseconds delay_;
  double bytes_per_ns_;
  Clock::time_point free_{};  ///< when the last packet has left
  std::deque<Packet> waiting_;
  std::vector<char> buffer_ = std::vector<char>(sizeof(OffloadHeader) + (1 << 16));
};

/// Until when the relay may sleep.
timespec time_left(const std::array<Direction, 2>& directions) {
  nanoseconds left = std::chrono::seconds(1);
  for (const Direction& direction : directions) {
    if (!direction.is_empty()) {
      left = std::clamp<nanoseconds>(direction.due() - Clock::now(), nanoseconds(0), left);
    }
  }
  return {left.count() / 1'000'000'000, left.count() % 1'000'000'000};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: network_relay PID_A PID_B DELAY_US MBIT_PER_S\n");
    return 2;
  }
  // A network does not wait for a core: the relay comes before whatever computes, where the system permits that.
  prctl(PR_SET_TIMERSLACK, 1);
  const sched_param priority{.sched_priority = 1};
  static_cast<void>(sched_setscheduler(0, SCHED_FIFO, &priority));
  const int a = open_device(argv[1], 1);
  const int b = open_device(argv[2], 2);
  const auto delay = nanoseconds(static_cast<std::int64_t>(std::atof(argv[3]) * 1e3));
  const double bytes_per_ns = std::atof(argv[4]) / 8e3;
  std::array<Direction, 2> directions = {Direction(a, b, delay, bytes_per_ns), Direction(b, a, delay, bytes_per_ns)};
  std::puts("ready");
  std::fflush(stdout);
  for (;;) {
    std::array<pollfd, 3> files = {pollfd{a, POLLIN, 0}, pollfd{b, POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0}};
    const timespec left = time_left(directions);
    checked(ppoll(files.data(), files.size(), &left, nullptr), "ppoll");
    if (files[2].revents != 0) {
      return 0;
    }
    for (Direction& direction : directions) {
      direction.take();
    }
    for (Direction& direction : directions) {
      direction.pass_on();
    }
  }
}
