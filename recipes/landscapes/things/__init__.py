"""Things that stand in scenes, one file a kind. Each has a main function that draws one and returns nothing.

A thing stands at (x, y), the canvas pixel of its foot; its size is its height or its half width in pixels, as the
function says. It draws within `scene.thing(name, label)`, so that the scene knows which pixels it owns.
"""
