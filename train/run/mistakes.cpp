#include <backflow/train/run/mistakes.h>

#include <algorithm>

#include <backflow/io/config.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {

bool Mistakes::attempt(const std::function<void()>& look) {
  std::string message;
  try {
    look();
    return true;
  } catch (const io::ConfigError& error) {
    of_config_ = true;
    message = error.what();
  } catch (const SharedFailure& failure) {
    of_config_ = of_config_ || failure.exit_code() == kWrongUsage;
    message = failure.what();
  } catch (const Error& error) {
    message = error.what();
  }
  if (std::find(messages_.begin(), messages_.end(), message) == messages_.end()) {
    messages_.push_back(std::move(message));
  }
  return false;
}

void Mistakes::check() const {
  std::string text;
  for (const std::string& message : messages_) {
    text += (text.empty() ? "" : "\n") + message;
  }
  if (of_config_) {
    throw io::ConfigError(text);
  }
  if (!messages_.empty()) {
    throw Error(text);
  }
}

}  // namespace backflow::train
