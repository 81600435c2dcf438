(function(){
var lang=document.documentElement.lang,list=document.querySelector("[data-now]"),
ahead=Date.parse(list.dataset.now)-Date.now(),
at=new Intl.DateTimeFormat(lang,{dateStyle:"medium",timeStyle:"short"}),
span=new Intl.RelativeTimeFormat(lang,{numeric:"always"});
function tell(){
list.querySelectorAll("time").forEach(function(t){
var then=Date.parse(t.dateTime),s=Math.round((then-ahead-Date.now())/1000),a=Math.abs(s);
t.title=t.dateTime;
t.textContent=at.format(then)+" ("+(a<90?span.format(s,"second"):a<5400?span.format(Math.round(s/60),"minute"):span.format(Math.round(s/3600),"hour"))+")"
})}
tell();setInterval(tell,1000)
})()
