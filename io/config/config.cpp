#include <utility>

#include <backflow/io/config/tree_internal.h>

namespace backflow::io {
namespace {

// The tree of a text; `path` is that of its file, empty when it has none.
std::shared_ptr<detail::ConfigTree> make_tree(std::string_view text, const std::string& origin, const std::string& path,
                                              const std::vector<std::string>& overrides) {
  auto tree = std::make_shared<detail::ConfigTree>();
  tree->origin = origin;
  detail::parse_text(text, origin, 0, tree->root);
  detail::include_files(*tree, path);
  for (std::size_t i = 0; i < overrides.size(); ++i) {
    detail::apply_override(*tree, overrides[i], static_cast<std::uint32_t>(i));
  }
  // Last, since a variable that nothing uses need not be set.
  detail::expand_variables(tree->problems, tree->root);
  return tree;
}

}  // namespace

Config Config::load(const std::string& path, const std::vector<std::string>& overrides) {
  return Config(make_tree(detail::read_config_file(path), path, path, overrides));
}

Config Config::parse(std::string_view text, const std::string& origin, const std::vector<std::string>& overrides) {
  return Config(make_tree(text, origin, "", overrides));
}

Config Config::blank(std::map<std::string, std::string> choices) {
  Config config = parse("", "");
  config.tree_->blank = true;
  config.tree_->forced = std::move(choices);
  return config;
}

Section Config::root() const { return {tree_, &tree_->root}; }

const std::string& Config::origin() const { return tree_->origin; }

const std::vector<std::string>& Config::notes() const { return tree_->notes; }

}  // namespace backflow::io
