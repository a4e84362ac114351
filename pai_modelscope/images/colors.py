"""The named colours of captions, prompts and measurements: one palette for the whole project."""

NAMED_COLOURS: dict[str, tuple[int, int, int]] = {
    "白色": (255, 255, 255),
    "黑色": (20, 20, 20),
    "红色": (225, 50, 45),
    "橙色": (245, 150, 40),
    "黄色": (250, 215, 60),
    "绿色": (70, 170, 80),
    "蓝色": (60, 120, 220),
    "浅蓝色": (170, 215, 245),
    "紫色": (140, 80, 190),
    "粉色": (250, 180, 200),
    "灰色": (150, 150, 150),
    "棕色": (130, 85, 50),
}
"""Chinese name to sRGB, 0 to 255 a channel."""
