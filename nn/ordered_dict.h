#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <backflow/runtime/base/error.h>

namespace backflow {

/// Pairs of a key and a value in the order in which they were inserted, as libtorch's. Meant for names: tens or
/// hundreds of short keys, found by linear search.
template <class Key, class Value>
class OrderedDict {
 public:
  class Item {
   public:
    Item(Key key, Value value) : pair_(std::move(key), std::move(value)) {}
    const Key& key() const { return pair_.first; }
    Value& value() { return pair_.second; }
    const Value& value() const { return pair_.second; }
    Value& operator*() { return pair_.second; }
    const Value& operator*() const { return pair_.second; }
    Value* operator->() { return &pair_.second; }
    const Value* operator->() const { return &pair_.second; }
    const std::pair<Key, Value>& pair() const { return pair_; }

   private:
    std::pair<Key, Value> pair_;
  };
  OrderedDict() = default;
  /// Throws Error for a key that occurs twice.
  OrderedDict(std::initializer_list<Item> items) {
    for (const Item& item : items) {
      insert(item.key(), item.value());
    }
  }

  using Iterator = typename std::vector<Item>::iterator;
  using ConstIterator = typename std::vector<Item>::const_iterator;

  Iterator begin() { return items_.begin(); }
  Iterator end() { return items_.end(); }
  ConstIterator begin() const { return items_.begin(); }
  ConstIterator end() const { return items_.end(); }
  const std::vector<Item>& items() const { return items_; }
  std::size_t size() const { return items_.size(); }
  bool is_empty() const { return items_.empty(); }
  /// The first and the last pair. Throws Error when there are none.
  Item& front() { return at("front", 0); }
  const Item& front() const { return const_cast<OrderedDict*>(this)->front(); }
  Item& back() { return at("back", size() - 1); }
  const Item& back() const { return const_cast<OrderedDict*>(this)->back(); }
  /// A pair by its position. Throws Error outside [0, size).
  Item& operator[](std::size_t index) { return at("OrderedDict", index); }
  const Item& operator[](std::size_t index) const { return (*const_cast<OrderedDict*>(this))[index]; }

  /// Adds a pair at the end and returns its value. Throws Error for a key that is there already.
  Value& insert(Key key, Value value) {
    check(!contains(key), "OrderedDict: key '", key, "': it is there already; need another");
    items_.emplace_back(std::move(key), std::move(value));
    return items_.back().value();
  }

  /// The value of a key; null when there is none.
  Value* find(const Key& key) {
    for (Item& item : items_) {
      if (item.key() == key) {
        return &item.value();
      }
    }
    return nullptr;
  }
  const Value* find(const Key& key) const { return const_cast<OrderedDict*>(this)->find(key); }
  bool contains(const Key& key) const { return find(key) != nullptr; }

  /// The value of a key. Throws Error when there is none.
  Value& operator[](const Key& key) {
    Value* value = find(key);
    check(value != nullptr, "OrderedDict: key '", key, "': it is not there");
    return *value;
  }
  const Value& operator[](const Key& key) const { return (*const_cast<OrderedDict*>(this))[key]; }

  /// Adds all pairs of `other`. Throws Error, and adds none, when a key is there already.
  void update(const OrderedDict& other) {
    for (const Item& item : other) {
      check(!contains(item.key()), "OrderedDict: key '", item.key(), "': it is there already; need another");
    }
    items_.reserve(size() + other.size());
    for (const Item& item : other) {
      items_.push_back(item);
    }
  }
  /// Removes a pair. Throws Error when the key is not there.
  void erase(const Key& key) {
    const auto found = std::find_if(begin(), end(), [&](const Item& item) { return item.key() == key; });
    check(found != end(), "OrderedDict: key '", key, "': it is not there");
    items_.erase(found);
  }
  void clear() { items_.clear(); }
  void reserve(std::size_t capacity) { items_.reserve(capacity); }

  std::vector<Key> keys() const {
    std::vector<Key> out;
    for (const Item& item : items_) {
      out.push_back(item.key());
    }
    return out;
  }
  std::vector<Value> values() const {
    std::vector<Value> out;
    for (const Item& item : items_) {
      out.push_back(item.value());
    }
    return out;
  }
  std::vector<std::pair<Key, Value>> pairs() const {
    std::vector<std::pair<Key, Value>> out;
    for (const Item& item : items_) {
      out.push_back(item.pair());
    }
    return out;
  }

 private:
  Item& at(const char* where, std::size_t index) {
    check(!is_empty(), where, ": an OrderedDict without pairs: need one that has some");
    check(index < size(), where, ": pair ", index, " of ", size(), ": need a smaller number");
    return items_[index];
  }

  std::vector<Item> items_;
};

}  // namespace backflow
