"""The classes of label maps, in the order of their numbers, alike in all pictures."""

# A seal is a class of its own: it lies over whatever is below it, and who draws a label map may ask for one.
LABELS = (
    *("天", "云", "日月", "山", "水", "地", "沙", "路", "石"),
    *("树", "花", "草", "房屋", "桥", "船", "人", "动物", "印章"),
)
